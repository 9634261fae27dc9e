/**
 * The life of an actor as facts, read from its log: what `system.watch` gives, and what a `supervisor` acts on.
 *
 * 1. Every fact is a part of one record: whoever reads from its position again gets it again, and no other in between.
 * 2. Facts come in the order of the log. A volatile actor has no log and no facts.
 */
import type { Address, Subjects } from './address.ts'
import type { Json } from './codec.ts'
import type { WireError } from './errors.ts'
import type { Journal, KeyStore } from './ports.ts'
import { SealReader } from './seal.ts'
import { decodeRecord, type JournalRecord, type Step, type StepId, stepId } from './step.ts'
import type { Decision, Order } from './supervision.ts'

export type LifeFact = {
  readonly actor: string
  /** Of the record: where to read on is behind it. */
  readonly position: number
  /** Absent for a move, which is no step. */
  readonly step?: StepId
  readonly at: number
} & (
  | { readonly kind: 'moved'; readonly node: string; readonly epoch: number }
  /** Its first state, a new one, or an order to go on: by whom. */
  | { readonly kind: 'started'; readonly by: 'message' | 'supervision' | Order['kind'] }
  | { readonly kind: 'failed'; readonly error: WireError; readonly decision: Decision }
  | { readonly kind: 'done'; readonly output: Json }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'quarantined'; readonly reason: string }
  | { readonly kind: 'destroyed' }
)

export interface WatchOptions {
  /** Position of the log to begin at; 1 is its whole history. @defaultValue what comes from now on */
  readonly from?: number
  readonly signal?: AbortSignal
}

export async function* watchLife(
  journal: Journal,
  subjects: Subjects,
  address: Address,
  options: WatchOptions = {},
  keys?: KeyStore,
): AsyncGenerator<LifeFact> {
  const sealed = new SealReader(keys)
  const ended = new AbortController()
  const signal = options.signal === undefined ? ended.signal : AbortSignal.any([options.signal, ended.signal])
  const pattern = subjects.history(address)
  try {
    const from = options.from ?? (await positionOf(journal, pattern)) + 1
    for await (const { bytes, position } of journal.follow(pattern, { from, signal })) {
      const record = decodeRecord(bytes, address)
      await sealed.prepare(record)
      // Of an erased actor only its moves are left.
      yield* factsIn(sealed.open(record) ?? record, position)
    }
  } finally {
    ended.abort()
  }
}

async function positionOf(journal: Journal, pattern: string): Promise<number> {
  for await (const head of journal.heads(pattern)) return head.position
  return 0
}

export function* factsIn(record: JournalRecord, position: number): Iterable<LifeFact> {
  const { actor, epoch, activated, steps } = record
  if (activated !== undefined) yield { actor, position, at: activated.at, kind: 'moved', node: activated.node, epoch }
  for (const step of steps) {
    const place = { actor, position, step: stepId(actor, epoch, step.seq), at: step.at }
    yield* factsOf(step).map((fact) => ({ ...place, ...fact }))
  }
}

type Fact = LifeFact extends infer F
  ? F extends LifeFact
    ? Omit<F, 'actor' | 'position' | 'step' | 'at'>
    : never
  : never

function factsOf({ input, outcome, error, supervision, ended }: Step): Fact[] {
  const facts: Fact[] = []
  if (outcome === 'applied') {
    if (input.kind === 'init') facts.push({ kind: 'started', by: 'message' })
    if (input.kind === 'directive' && input.init !== undefined) facts.push({ kind: 'started', by: 'supervision' })
    if (input.kind === 'operator') {
      facts.push(input.order === 'destroy' ? { kind: 'destroyed' } : { kind: 'started', by: input.order })
    }
  }
  if (supervision !== undefined && error !== undefined) {
    const { directive, child, escalated } = supervision
    facts.push({ kind: 'failed', error, decision: supervision })
    if (directive === 'quarantine') facts.push({ kind: 'quarantined', reason: error.message })
    if (directive === 'stop' && (child === undefined || escalated === true)) facts.push({ kind: 'stopped' })
  }
  if (ended?.kind === 'done') facts.push({ kind: 'done', output: ended.output ?? null })
  if (ended?.kind === 'stopped') facts.push({ kind: 'stopped' })
  return facts
}
