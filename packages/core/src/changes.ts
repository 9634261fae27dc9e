/**
 * The committed states of one actor as they follow each other, read from its log: `ref.changes()`.
 *
 * 1. Without `from` the present state comes first; then every step that changed it, folded from the log by the actor's
 *    definition. A reference made from a protocol alone cannot fold: it looks at the actor after each append, so states between
 *    two looks are left out. A volatile actor has no log and is looked at every second.
 * 2. With `from` every state from that step on is told, however old. Where retention has removed the beginning, the first state that
 *    is still there says `complete: false`.
 * 3. An actor that was erased ends it with `ActorErased`.
 * 4. Where the definition no longer folds what was recorded, states are told again from the next one that the log holds whole.
 */
import type { AnyActorDef } from './actor.ts'
import type { Address, Subjects } from './address.ts'
import type { Json } from './codec.ts'
import { LogicRefused } from './errors.ts'
import { Fold, stateView } from './fold.ts'
import type { Clock, Journal, KeyStore } from './ports.ts'
import { erased, SealReader } from './seal.ts'
import { decodeRecord, type JournalRecord, type Step } from './step.ts'

export interface ChangesOptions {
  /** Number of the first step whose state is told. Needs a reference made from the actor's definition. */
  readonly from?: number
  readonly signal?: AbortSignal
}

/** What readers are shown of a state, encoded. */
export type ViewData = Json

export interface ChangesParts {
  readonly address: Address
  readonly def: AnyActorDef | undefined
  readonly journal: Journal
  readonly keys?: KeyStore
  readonly subjects: Subjects
  readonly clock: Clock
  /** The present state. */
  readonly look: () => Promise<ViewData>
}

const LOOK_MS = 1_000

export async function* changesOf(parts: ChangesParts, options: ChangesOptions): AsyncGenerator<ViewData> {
  const { def, address } = parts
  const ended = new AbortController()
  const signal = options.signal === undefined ? ended.signal : AbortSignal.any([options.signal, ended.signal])
  const { from } = options
  if (from !== undefined && (def === undefined || def.persistence === 'volatile')) {
    throw new LogicRefused(
      `changes({ from }) of '${address}' folds its log: get the reference with the definition of a journaled actor`,
    )
  }
  let seen = (from ?? 1) - 1
  try {
    if (from === undefined) {
      const present = await parts.look()
      seen = seqOf(present)
      yield present
    }
    const states =
      def === undefined || def.persistence === 'volatile'
        ? looked(parts, signal)
        : folded({ ...parts, def }, from, signal)
    for await (const view of states) {
      if (signal.aborted) return
      if (seqOf(view) <= seen) continue
      seen = seqOf(view)
      yield view
    }
  } finally {
    ended.abort()
  }
}

async function* looked({ def, journal, subjects, address, clock, look }: ChangesParts, signal: AbortSignal) {
  if (def === undefined) {
    for await (const { bytes } of journal.follow(subjects.history(address), { from: await newest(), signal })) {
      // An activation without steps would make a look that activates again.
      const { steps, sealed, activated } = decodeRecord(bytes, address)
      if (steps.length > 0 || (sealed !== undefined && activated === undefined)) yield await look()
    }
  }
  while (!signal.aborted) {
    yield await look()
    await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve, { keepAlive: true }))
  }

  async function newest(): Promise<number> {
    for await (const head of journal.heads(subjects.history(address))) return head.position
    return 1
  }
}

async function* folded(
  { def, journal, keys, subjects, address }: ChangesParts & { readonly def: AnyActorDef },
  from: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<ViewData> {
  const pattern = subjects.history(address)
  const start = from === undefined ? await lastState(journal, pattern) : 1
  let fold: Fold | undefined = new Fold(address, def, '')
  let first = true
  const sealed = new SealReader(keys)
  for await (const { bytes } of journal.follow(pattern, { from: start, signal })) {
    const stored = decodeRecord(bytes, address)
    await sealed.prepare(stored)
    const record = sealed.open(stored)
    if (record === undefined) throw erased(address)
    if (first && start > 1) fold = startedFrom(record)
    else if (first && record.prev !== '') {
      fold = startedFrom(record)
      if (fold !== undefined) yield { ...viewOf(fold), ...(fold.seq > (from ?? 1) && { complete: false }) }
    } else if (fold?.takenOver(record) === true) fold = startedFrom(record)
    else if (record.steps.length > 0) {
      const views = fold === undefined ? undefined : foldedRecord(fold, record)
      if (views === undefined) fold = startedFrom(record)
      yield* views ?? (fold === undefined ? [] : [viewOf(fold)])
    }
    first = false
  }

  function startedFrom({ state }: JournalRecord): Fold | undefined {
    if (state === undefined) return undefined
    const fresh = new Fold(address, def, '')
    try {
      fresh.startFrom(state)
      return fresh
    } catch {
      return undefined // today's definition has no place for that state: a later one may fit
    }
  }
}

/** The states of one append; undefined when the fold is not what was recorded, and good for nothing any more. */
function foldedRecord(fold: Fold, record: JournalRecord): ViewData[] | undefined {
  const views: ViewData[] = []
  for (const step of record.steps) {
    if (fold.step(step, record) !== undefined) return undefined
    if (isChange(step)) views.push(viewOf(fold))
  }
  return fold.check(record) === undefined ? views : undefined
}

/** Position of the newest whole state. */
async function lastState(journal: Journal, pattern: string): Promise<number> {
  for await (const head of journal.heads(pattern)) {
    const { base } = decodeRecord(head.bytes)
    return base === 0 ? head.position : base
  }
  return 1
}

function isChange({ outcome, input, supervision }: Step): boolean {
  return supervision !== undefined || (outcome === 'applied' && input.kind !== 'settled')
}

function viewOf(fold: Fold): ReturnType<typeof stateView> {
  return stateView(fold.view(), fold.settlement.life, fold.seq)
}

function seqOf(view: ViewData): number {
  return typeof view === 'object' && view !== null && !Array.isArray(view) && 'seq' in view ? Number(view['seq']) : 0
}
