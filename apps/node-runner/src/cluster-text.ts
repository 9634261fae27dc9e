/** Nodes, shards, actors and children as lines of text. */
import type { ListedActor, ListedChild, ListedNode } from '@troupe/core'
import { count } from './output.ts'

export function clusterText(nodes: readonly ListedNode[]): string[] {
  return nodes.flatMap(({ node, shards, actors, more }) => {
    const lines = [`${node}  ${count(shards.length, 'shard')}, ${count(actors.length + more, 'actor')} in memory`]
    for (const shard of [...new Set(actors.map((actor) => actor.shard))].sort(byNumber)) {
      lines.push(`  ${shard}`, ...actors.filter((actor) => actor.shard === shard).flatMap(actorText))
    }
    return more === 0 ? lines : [...lines, `  … ${more} more`]
  })
}

function actorText({ actor, life, seq, value, failures, children }: ListedActor): string[] {
  const failed = failures === 0 ? '' : `, ${count(failures, 'failure')} lately`
  return [`    ${actor}  ${life}${valueText(value)}, step ${seq}${failed}`, ...children.map(childText)]
}

function childText({ path, src, status, value, effect }: ListedChild): string {
  const steps = path.split('/').slice(1)
  const name = steps.at(-1) ?? path
  const work = effect === undefined ? '' : `  effect ${effect}`
  return `    ${'  '.repeat(steps.length)}${childName(name, src)}  ${status}${valueText(value)}${work}`
}

/** An invocation without an id is called `0.(machine).some.state` by XState: then what is invoked tells more than its name. */
function childName(name: string, src: string): string {
  const state = /^\d+\.[^.]+\.(.+):\d+$/.exec(name)?.[1]
  if (state !== undefined) return `${src} in ${state}`
  return name.startsWith(`${src}:`) ? name : `${name} (${src})`
}

function valueText(value: unknown): string {
  if (value === undefined || value === null) return ''
  return ` ${typeof value === 'string' ? value : JSON.stringify(value)}`
}

const byNumber = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true })
