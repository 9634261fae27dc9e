/**
 * What commands print: data on stdout, everything else on stderr; `--json` as one envelope.
 *
 * 1. An incomplete answer says so on stderr and by exit code 5, in both forms.
 */
import type { IndexState } from '@troupe/telemetry'
import { EXIT } from './problem.ts'

export const API_VERSION = 'troupe/v1'

export interface Envelope<T> {
  readonly apiVersion: typeof API_VERSION
  readonly kind: string
  /** Up to where the log was read. */
  readonly asOf: { readonly streamId: string; readonly position: number; readonly at: string | null }
  readonly complete: boolean
  /** Nodes that were asked and did not answer. Answers from the log ask none. */
  readonly missingNodes: readonly string[]
  readonly items: readonly T[]
}

export function envelope<T>(kind: string, state: IndexState, items: readonly T[], whole = true): Envelope<T> {
  const { streamId, position, storedAt } = state
  const at = storedAt === 0 ? null : new Date(storedAt).toISOString()
  const complete = whole && isComplete(state)
  return { apiVersion: API_VERSION, kind, asOf: { streamId, position, at }, complete, missingNodes: [], items }
}

const isComplete = ({ complete, unreadable }: IndexState): boolean => complete && unreadable === 0

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Prints the envelope or the lines, and warns when the log is not whole. */
export function answer<T>(
  json: boolean | undefined,
  found: Envelope<T>,
  state: IndexState,
  lines: () => string[],
): void {
  if (json) print(JSON.stringify(found))
  else for (const line of lines()) print(line)
  if (isComplete(state)) return
  const why = [
    ...(state.complete ? [] : ['the beginning of the log or of an actor in it is gone, or an actor is encrypted']),
    ...(state.unreadable === 0 ? [] : [`${state.unreadable} entries are no records of ours`]),
  ]
  process.stderr.write(`warning: this answer is not complete: ${why.join(', ')}\n`)
  process.exitCode = EXIT.partial
}

/** Columns without borders, so that they can be piped; the last one is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return []
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all.map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  '))
}

export const timeText = (at: number): string => new Date(at).toISOString().replace('T', ' ').slice(0, 23)

/** Random ids are shortened for people, names never. */
export const shortId = (id: string): string => (/^[0-9a-f]{16,}$/.test(id) ? id.slice(0, 12) : id)

export const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`
