/**
 * What a purse knows: how much of its money is spent, what running calls hold, and what was asked of which model. Plain data, pure
 * functions.
 *
 * 1. `spent + held <= limit` after every `hold`: a call that might pass the limit is refused before it is made.
 * 2. A call is held once under its id, and settled once. One that is not settled within `HELD_MS` counts with all it held: whoever made
 *    it has died, and the provider may have billed it.
 * 3. A hold that is given back before it has come is not held: whoever asked for it has gone.
 * 4. Amounts are whole nano-dollars, so sums are exact; they stop at the largest safe one.
 */
import type { Totals } from './ledger.ts'

export interface Settled {
  /** Undefined: unknown, it counts with all that was held. */
  readonly nanoUsd?: number | undefined
  readonly model: string
  readonly failed: boolean
  readonly promptTokens?: number | undefined
  readonly completionTokens?: number | undefined
}

/** As `Totals`, in whole nano-dollars. */
export interface Spent extends Omit<Totals, 'costUsd' | 'cacheHits'> {
  readonly nanoUsd: number
}

export interface PurseBook {
  readonly spentNanoUsd: number
  readonly held: { readonly [call: string]: { readonly nanoUsd: number; readonly atMs: number } }
  readonly models: { readonly [model: string]: Spent }
  /** Given back without having been held, and when. */
  readonly givenBack: { readonly [call: string]: number }
}

export const emptyPurse: PurseBook = { spentNanoUsd: 0, held: {}, models: {}, givenBack: {} }

export const HELD_MS = 3_600_000
/** How long a hold can come after it was given back, and how many of them are remembered. */
const LATE_MS = 300_000
const LATE_COUNT = 1_000

export type Holding =
  | { readonly ok: true }
  | { readonly ok: false; readonly leftNanoUsd: number; readonly heldNanoUsd: number }

export function hold(
  given: PurseBook,
  call: { readonly id: string; readonly nanoUsd: number; readonly limitNanoUsd: number },
  nowMs: number,
): { readonly book: PurseBook; readonly holding: Holding } {
  const book = withoutLost(given, nowMs)
  if (Object.hasOwn(book.held, call.id)) return { book, holding: { ok: true } }
  const held = heldNanoUsd(book)
  const left = call.limitNanoUsd - book.spentNanoUsd - held
  if (Object.hasOwn(book.givenBack, call.id) || (call.nanoUsd > 0 && call.nanoUsd > left)) {
    return { book, holding: { ok: false, leftNanoUsd: Math.max(0, left), heldNanoUsd: held } }
  }
  const holds = { ...book.held, [call.id]: { nanoUsd: call.nanoUsd, atMs: nowMs } }
  return { book: { ...book, held: holds }, holding: { ok: true } }
}

/** Nothing changes for a call that is not held: it was settled before, or is given up for lost. */
export function settleHeld(book: PurseBook, id: string, settled: Settled): PurseBook {
  const call = Object.hasOwn(book.held, id) ? book.held[id] : undefined
  if (call === undefined) return book
  const { [id]: _, ...held } = book.held
  const nanoUsd = settled.nanoUsd ?? call.nanoUsd
  const before = Object.hasOwn(book.models, settled.model) ? book.models[settled.model] : undefined
  const models = { ...book.models, [settled.model]: add(before ?? nothing, settled, nanoUsd) }
  return { ...book, spentNanoUsd: plus(book.spentNanoUsd, nanoUsd), held, models }
}

/** For a call that is not made. */
export function giveBack(book: PurseBook, id: string, nowMs: number): PurseBook {
  if (Object.hasOwn(book.held, id)) {
    const { [id]: _, ...held } = book.held
    return { ...book, held }
  }
  const late = Object.entries(book.givenBack).filter(([, atMs]) => nowMs - atMs < LATE_MS)
  return { ...book, givenBack: Object.fromEntries([...late.slice(1 - LATE_COUNT), [id, nowMs]]) }
}

export function heldNanoUsd({ held }: PurseBook): number {
  return Object.values(held).reduce((sum, { nanoUsd }) => sum + nanoUsd, 0)
}

const nothing: Spent = { calls: 0, failed: 0, promptTokens: 0, completionTokens: 0, withoutUsage: 0, nanoUsd: 0 }

function add(to: Spent, { failed, promptTokens, completionTokens }: Settled, nanoUsd: number): Spent {
  const isKnown = promptTokens !== undefined || completionTokens !== undefined
  return {
    calls: to.calls + 1,
    failed: to.failed + (failed ? 1 : 0),
    promptTokens: plus(to.promptTokens, promptTokens ?? 0),
    completionTokens: plus(to.completionTokens, completionTokens ?? 0),
    withoutUsage: to.withoutUsage + (failed || isKnown ? 0 : 1),
    nanoUsd: plus(to.nanoUsd, nanoUsd),
  }
}

function plus(sum: number, more: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, sum + more)
}

const LOST = '(lost calls)'

function withoutLost(book: PurseBook, nowMs: number): PurseBook {
  return Object.entries(book.held)
    .filter(([, { atMs }]) => nowMs - atMs >= HELD_MS)
    .reduce((left, [id]) => settleHeld(left, id, { model: LOST, failed: true }), book)
}
