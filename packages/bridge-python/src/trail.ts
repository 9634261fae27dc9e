/**
 * The calls of one running effect. Most make one; an effect that is made of others makes several under one id and one record.
 *
 * 1. Every call has an id of its own that another run of the same effect finds again: made of the function, its arguments and
 *    how often the effect has made this very call before.
 * 2. The record keeps every call, of whichever pool and in whichever try of a retry around it: the newest on top, the others under
 *    `earlier`, within `RECORD_BYTES`.
 */
import { type EffectContext, hashOf, type Json, type Shared } from '@troupe/core'
import type { Answer, Call } from './call.ts'

/** The record shares one journal entry with the whole step. */
const RECORD_BYTES = 128 * 1024

/** Of one call, as `docs/protocol.md` names it. */
export interface Evidence {
  readonly fn: string
  readonly worker: string
  readonly wallMs: number
  readonly spans?: Answer['spans']
  readonly dropped?: number
  /** A hash of the worker's packages. */
  readonly lock?: string
  /** More than 1: it was busy or died, and the call was sent again. */
  readonly runs?: number
}

export class CallIds {
  readonly #made = new Map<string, number>()

  of(effectId: string, fn: string, args: Json): string {
    const key = hashOf([fn, args]).slice(0, 16)
    const count = (this.#made.get(key) ?? 0) + 1
    this.#made.set(key, count)
    return count === 1 ? `${effectId}:${key}` : `${effectId}:${key}:${count}`
  }
}

export class CallRecord {
  readonly #evidence: Evidence[] = []

  /** The record of the effect, this call included. */
  add(evidence: Evidence): Evidence & { readonly earlier?: readonly Evidence[] } {
    this.#evidence.push(evidence)
    let room = RECORD_BYTES
    const [newest, ...earlier] = this.#evidence.toReversed().map((one) => {
      const fitting = within(one, room)
      room -= sizeOf(fitting)
      return fitting
    })
    if (earlier.length === 0) return newest ?? evidence
    return { ...SAYS_NOTHING, ...(newest ?? evidence), earlier: earlier.toReversed() }
  }
}

/** The effect's record is merged, field by field: what one call leaves unsaid must not be that of the call before. */
const SAYS_NOTHING = { spans: [], dropped: 0, runs: 1 }

/** Of all pools of a node. */
export class Trails implements Shared {
  readonly #ids = new WeakMap<AbortSignal, CallIds>()
  readonly #records = new WeakMap<EffectContext['evidence'], CallRecord>()

  /** By the signal of a try: one that is tried again finds the ids of the try before. */
  idsOf({ signal }: Pick<EffectContext, 'signal'>): CallIds {
    const ids = this.#ids.get(signal) ?? new CallIds()
    this.#ids.set(signal, ids)
    return ids
  }

  /** By what the effect tells its record to, which all its tries have in common. */
  recordOf({ evidence }: Pick<EffectContext, 'evidence'>): CallRecord {
    const record = this.#records.get(evidence) ?? new CallRecord()
    this.#records.set(evidence, record)
    return record
  }

  close(): void {}
}

export function evidenceOf({ request, runs }: Call, answer: Answer, lock: string | undefined): Evidence {
  const { worker, wallMs, spans, dropped } = answer
  return {
    ...{ fn: request.fn, worker, wallMs },
    ...(spans.length > 0 && { spans }),
    ...(dropped > 0 && { dropped }),
    ...(lock !== undefined && { lock }),
    ...(runs > 1 && { runs }),
  }
}

/** With as many of its spans as there is room for. */
function within(evidence: Evidence, roomBytes: number): Evidence {
  const { spans, ...rest } = evidence
  if (spans === undefined) return evidence
  let room = roomBytes - sizeOf(rest)
  const kept = spans.filter((span) => (room -= sizeOf(span)) >= 0)
  const lost = spans.length - kept.length
  return { ...rest, spans: kept, ...(lost > 0 && { dropped: (rest.dropped ?? 0) + lost }) }
}

const sizeOf = (value: object): number => JSON.stringify(value).length
