/** A trace tree as lines of text. */
import type { TraceNode, TraceTree } from '@troupe/telemetry'
import { count } from './output.ts'

export function treeText({ roots, hidden }: TraceTree): string[] {
  const startedAt = roots[0]?.at ?? 0
  const lines: string[] = []
  const walk = (node: TraceNode, first: string, rest: string): void => {
    lines.push(`${first}${nodeText(node, startedAt)}`)
    const { children } = node
    const more = node.hidden === undefined ? [] : [`${rest}└─ … ${count(node.hidden, 'node')} not shown`]
    children.forEach((child, i) => {
      const last = i === children.length - 1 && more.length === 0
      walk(child, `${rest}${last ? '└─ ' : '├─ '}`, `${rest}${last ? '   ' : '│  '}`)
    })
    lines.push(...more)
  }
  for (const root of roots) walk(root, '', '')
  if (hidden > 0) lines.push(`${count(hidden, 'node')} left out; --nodes and --depth show more`)
  return lines
}

function nodeText(node: TraceNode, startedAt: number): string {
  const took = node.durationMs === undefined ? '' : ` ${round(node.durationMs)} ms`
  return `${label(node)}${took}${trouble(node)}  +${round(node.at - startedAt)} ms`
}

function label({ id, kind, name, actor, detail, node, status }: TraceNode): string {
  switch (kind) {
    case 'step':
      return `${actor} ${detail === 'message' ? name : detail}${node === undefined ? '' : ` @${node}`}`
    case 'effect':
      return `effect ${name}${placeOf(id, actor)} (${detail}${status === 'ok' || status === 'error' ? '' : `, ${status}`})`
    case 'python':
      return `python ${name} on ${detail}`
    case 'span':
      return `${detail} ${name}`
  }
}

/** In which child of its actor an effect runs; the id is the actor, the place in its tree and the step that began it. */
function placeOf(id: string, actor = ''): string {
  const place = id
    .slice(actor.length + 1, id.lastIndexOf('@'))
    .split('/')
    .slice(0, -1)
    .join('/')
  return place === '' ? '' : ` in ${place}`
}

function trouble({ status, error, missing, cut }: TraceNode): string {
  const parts = [
    ...(status === 'error' || status === 'rejected' ? [error ?? status] : []),
    ...(missing === undefined ? [] : [`its cause ${missing} is not in the log`]),
    ...(cut === undefined ? [] : ['its causes form a cycle']),
  ]
  return parts.length === 0 ? '' : `  ! ${parts.join('; ')}`
}

const round = (ms: number): string => (ms < 10 ? ms.toFixed(1).replace(/\.0$/, '') : String(Math.round(ms)))
