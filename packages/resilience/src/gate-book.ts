/**
 * What a gate knows and decides: the limits of one account, who holds how much of them, who waits. Plain data, pure functions: the
 * time comes in with every call, and a book that was handed in is never changed.
 *
 * Limits are those of `meter.ts`, and all it promises holds for the sum of all holders: an allowance counts from its grant, without an
 * end until its holder says that all its calls have left, and from then for a window.
 *
 * 1. `draw` grants at least the first call, or nothing. What those want who wait longer is set aside for them.
 * 2. Whoever has to wait keeps its place by coming again at the time that it was told; who is `GRACE_MS` late has left.
 * 3. A holder that is silent for `SILENT_MS` is taken to have used all that it holds.
 * 4. The gate's time never goes back, and stands still while nobody hosts it: a window is never thought to have passed that has not,
 *    whatever the clocks of two hosts say.
 * 5. What is said of an allowance is said in sums: twice is once, and what is said of one that is over changes nothing.
 */
import { canonical } from '@troupe/core'
import {
  type Buckets,
  begin,
  close,
  forgive,
  keep,
  learn,
  look,
  openBuckets,
  release,
  rooms,
  settle,
  type Taken,
  take,
} from './buckets.ts'
import { entrance, type GateBreaker, judged, openGateBreaker, probing, retermedBreaker } from './gate-breaker.ts'
import type { Draw, Drawn, Entry, GateStatus, Report, Terms } from './gate-protocol.ts'
import { NO_SLICE, openMeter, retermed } from './meter.ts'

interface Allowance {
  readonly holder: string
  taken: Taken
  readonly probe: boolean
  readonly era: number
  succeeded: number
  failed: number
}

interface Ticket {
  readonly holder: string
  readonly least: Amounts
  /** When it was told to come again. */
  readonly dueMs: number
}

type Amounts = { readonly [limit: string]: number }

export interface GateBook {
  atMs: number
  /** What its time is ahead of its host's clock. */
  aheadMs: number
  terms: Terms
  /** The same as text, to compare with. */
  said: string
  buckets: Buckets<string>
  breaker: GateBreaker | null
  readonly allowances: { [id: string]: Allowance }
  /** When each holder was last heard. */
  readonly heardMs: { [holder: string]: number }
  line: Ticket[]
  granted: number
}

export const SILENT_MS = 30_000
const GRACE_MS = 1_000
/** Of a window, so that the whole book stays small: it is part of every state of the actor. */
const SLICES = 64
/** An allowance is for a thirtieth of the shortest window, and not for longer than that. */
const LONGEST_MS = 2_000
const LATER_MS = { least: 10, leastForMany: 50, most: 1_000, unknown: 100 }

export function emptyBook(): GateBook {
  return {
    atMs: 0,
    aheadMs: 0,
    terms: { limits: {} },
    said: '',
    buckets: openBuckets({}, 0),
    breaker: null,
    allowances: {},
    heardMs: {},
    line: [],
    granted: 0,
  }
}

/** A host takes the gate up: from here its clock counts on from the gate's own time. */
export function hosted(before: GateBook, wallMs: number): GateBook {
  const { atMs } = before
  return atMs === 0 ? { ...before, atMs: wallMs } : { ...before, aheadMs: atMs - wallMs }
}

export function drawn(
  before: GateBook,
  asked: Draw,
  wallMs: number,
): { readonly book: GateBook; readonly answer: Drawn } {
  const book = opened(before, wallMs)
  agree(book, asked.terms)
  takeBack(book, asked)
  hear(book, asked.holder, asked.report)
  return { book, answer: decide(book, asked) }
}

export function reported(
  before: GateBook,
  { holder, report }: { readonly holder: string; readonly report: Report },
  wallMs: number,
): { readonly book: GateBook; readonly closedMs: number } {
  const book = opened(before, wallMs)
  hear(book, holder, report)
  return { book, closedMs: closedFor(book) }
}

/** An operator lets calls through again, whatever the provider has asked for and told. */
export function reopened(before: GateBook, wallMs: number): GateBook {
  const book = opened(before, wallMs)
  book.buckets.closedUntilMs = -Number.MAX_VALUE
  for (const meter of book.buckets.meters) {
    meter.toldUntilMs = Math.min(meter.toldUntilMs, book.atMs)
    meter.others = 0
  }
  if (book.breaker !== null) book.breaker = openGateBreaker(book.breaker.terms, book.breaker.era + 1)
  return book
}

export function statusOf(before: GateBook, wallMs: number): GateStatus {
  const book = opened(before, wallMs)
  return {
    breaker: book.breaker?.value ?? 'none',
    rooms: Object.fromEntries(rooms(book.buckets, book.atMs)),
    closedMs: closedFor(book),
    holders: Object.keys(book.heardMs).length,
    allowances: Object.keys(book.allowances).length,
    waiting: book.line.length,
  }
}

// ── Time, and who is gone ───────────────────────────────────────────────────────────────────────────────────────────

function opened(before: GateBook, wallMs: number): GateBook {
  const book = structuredClone(before)
  // A clock that was set back counts on from here, as that of a new host would.
  book.aheadMs = Math.max(book.aheadMs, book.atMs - wallMs)
  const nowMs = wallMs + book.aheadMs
  const heard = Object.entries(book.heardMs).sort(([, a], [, b]) => a - b)
  for (const [holder, heardMs] of heard) {
    if (nowMs - heardMs < SILENT_MS) break
    // As of that moment, not of the one at which somebody comes to look.
    book.atMs = Math.max(book.atMs, heardMs + SILENT_MS)
    delete book.heardMs[holder]
    for (const [id, allowance] of Object.entries(book.allowances)) {
      if (allowance.holder === holder) end(book, id, allowance, {})
    }
  }
  book.atMs = nowMs
  book.line = book.line.filter(({ dueMs }) => nowMs <= dueMs + GRACE_MS)
  return book
}

/**
 * The newest word on a limit counts, for all; what was used stays used. A limit of which this holder knows nothing stays while
 * anything of it is in use: others may know it.
 */
function agree(book: GateBook, terms: Terms): void {
  const said = canonical(terms)
  if (said === book.said) return
  book.said = said
  book.terms = terms
  const { meters, closedUntilMs } = book.buckets
  const named = Object.entries(terms.limits).map(([name, limit]) => {
    const known = meters.find((meter) => meter.name === name)
    const meter =
      known === undefined ? openMeter(name, limit, book.atMs, SLICES) : retermed(known, name, limit, book.atMs, SLICES)
    return { name, ...meter }
  })
  const others = meters.filter(({ name, open, used }) => !Object.hasOwn(terms.limits, name) && open + used > 0)
  book.buckets = { meters: [...named, ...others], closedUntilMs }
  const places = book.buckets.meters.map(({ name }) => meters.findIndex((meter) => meter.name === name))
  for (const allowance of Object.values(book.allowances)) {
    const { amounts, slices, state } = allowance.taken
    allowance.taken = {
      amounts: places.map((place) => amounts[place] ?? 0),
      slices: places.map((place) => slices[place] ?? NO_SLICE),
      state,
    }
  }
  const { breaker } = terms
  if (breaker !== undefined) {
    book.breaker = book.breaker === null ? openGateBreaker(breaker) : retermedBreaker(book.breaker, breaker)
  }
}

// ── What holders say ────────────────────────────────────────────────────────────────────────────────────────────────

function hear(book: GateBook, holder: string, { entries, told, drainMs }: Report): void {
  book.heardMs[holder] = book.atMs
  for (const entry of entries) {
    const allowance = book.allowances[entry.id]
    if (allowance?.holder === holder) note(book, entry, allowance)
  }
  if (told !== undefined) learn(book.buckets, book.atMs, told)
  if (drainMs !== undefined) close(book.buckets, book.atMs, drainMs)
}

/** What it was granted and never heard of. */
function takeBack(book: GateBook, { holder, newest }: Draw): void {
  for (const [id, allowance] of Object.entries(book.allowances)) {
    if (allowance.holder !== holder || Number(id) <= newest) continue
    if (allowance.probe && book.breaker !== null) {
      const none = { succeeded: 0, failed: 0, probe: true, era: allowance.era, over: true }
      book.breaker = judged(book.breaker, book.atMs, none)
    }
    release(book.buckets, book.atMs, allowance.taken)
    delete book.allowances[id]
  }
}

function note(book: GateBook, entry: Entry, allowance: Allowance): void {
  const { id, spent, used, succeeded, failed } = entry
  const { probe, era, taken } = allowance
  if (book.breaker !== null) {
    const more = { succeeded: succeeded - allowance.succeeded, failed: failed - allowance.failed }
    book.breaker = judged(book.breaker, book.atMs, { ...more, probe, era, over: used !== undefined })
  }
  allowance.succeeded = succeeded
  allowance.failed = failed
  if (spent !== undefined) {
    keep(book.buckets, book.atMs, taken, spent)
    begin(book.buckets, book.atMs, taken)
  }
  if (used !== undefined) end(book, id, allowance, used)
}

function end(book: GateBook, id: string | number, { taken }: Allowance, used: Amounts): void {
  settle(book.buckets, book.atMs, taken, used)
  delete book.allowances[id]
}

// ── What they get ───────────────────────────────────────────────────────────────────────────────────────────────────

function decide(book: GateBook, asked: Draw): Drawn {
  const { holder, calls, least } = asked
  const { atMs, buckets, breaker } = book
  const guards = breaker !== null && asked.terms.breaker !== undefined
  const way = guards ? entrance(breaker, atMs) : ({ kind: 'free' } as const)
  if (way.kind === 'shut') {
    book.line = book.line.filter((ticket) => ticket.holder !== holder)
    const { retryAfterMs } = way
    return { kind: 'open', ...(retryAfterMs !== undefined && { retryAfterMs }) }
  }
  const place = book.line.findIndex((ticket) => ticket.holder === holder)
  const [before, after] = place < 0 ? [book.line, []] : [book.line.slice(0, place), book.line.slice(place + 1)]
  forgive(buckets, atMs, least)
  const outlook = look(buckets, atMs, least, before.length === 0 ? undefined : sums(before))
  if (outlook.kind === 'never') {
    book.line = [...before, ...after]
    const { limit, cost, cap } = outlook.error.details
    return { kind: 'never', limit: String(limit), cost: Number(cost), cap: Number(cap), why: outlook.error.message }
  }
  if (outlook.kind === 'now') {
    const alone = way.kind === 'probe' || before.length + after.length > 0 || holdsAtATime(book.terms)
    const granted = grant(book, asked, alone ? 1 : calls, way.kind === 'probe')
    if (granted !== undefined) {
      book.line = [...before, ...after]
      return granted
    }
  }
  const untilMs = outlook.kind === 'now' ? atMs : outlook.untilMs
  const soonestMs = calls > 1 ? LATER_MS.leastForMany : LATER_MS.least
  // When only a settlement makes room nobody knows when that is.
  const mostMs = untilMs === Infinity ? LATER_MS.unknown : LATER_MS.most
  const afterMs = Math.ceil(Math.min(Math.max(untilMs - atMs, soonestMs), mostMs))
  book.line = [...before, { holder, least, dueMs: atMs + afterMs }, ...after]
  const limit = outlook.kind === 'later' ? outlook.limit : undefined
  return {
    kind: 'later',
    afterMs,
    ...(untilMs < Infinity && { atLeastMs: untilMs - atMs }),
    ...(limit !== undefined && { limit }),
  }
}

/** As many calls as there is room for now, up to `calls`. */
function grant(book: GateBook, asked: Draw, calls: number, probe: boolean): Drawn | undefined {
  const { buckets, atMs } = book
  const fits = (n: number) => look(buckets, atMs, costOf(asked, n)).kind === 'now'
  let [some, tooMany] = [1, calls + 1]
  while (tooMany - some > 1) {
    // All of them first: mostly there is room.
    const n = tooMany > calls ? calls : Math.floor((some + tooMany) / 2)
    if (fits(n)) some = n
    else tooMany = n
  }
  const amounts = costOf(asked, some)
  const taking = take(buckets, atMs, amounts)
  if (taking.kind !== 'taken') return undefined
  if (probe && book.breaker !== null) book.breaker = probing(book.breaker, atMs)
  const id = ++book.granted
  const era = book.breaker?.era ?? 0
  book.allowances[id] = { holder: asked.holder, taken: taking.taken, probe, era, succeeded: 0, failed: 0 }
  return { kind: 'granted', id, calls: some, amounts, forMs: forMs(book.terms) }
}

/** The first call, and an even part of the others. */
function costOf({ least, most, calls }: Draw, n: number): Amounts {
  const part = calls === 1 ? 0 : (n - 1) / (calls - 1)
  return Object.fromEntries(
    Object.entries(least).map(([name, amount]) => {
      const more = Math.max(0, (most[name] ?? amount) - amount)
      return [name, amount + Math.floor(more * part)]
    }),
  )
}

/** What is held at a time comes back with the last call of an allowance: one for many calls would hold it for too long. */
function holdsAtATime({ limits }: Terms): boolean {
  return Object.values(limits).some(({ windowMs }) => windowMs === 0)
}

function forMs({ limits }: Terms): number {
  const windows = Object.values(limits).map(({ windowMs = 60_000 }) => windowMs)
  const shortestMs = Math.min(...windows.filter((windowMs) => windowMs > 0), LONGEST_MS * 30)
  return shortestMs / 30
}

function sums(tickets: readonly Ticket[]): ReadonlyMap<string, number> {
  const all = new Map<string, number>()
  for (const { least } of tickets) {
    for (const [name, amount] of Object.entries(least)) all.set(name, (all.get(name) ?? 0) + amount)
  }
  return all
}

function closedFor({ atMs, buckets, breaker }: GateBook): number {
  const shutMs = breaker === null || breaker.value === 'closed' ? 0 : breaker.context.untilMs - atMs
  return Math.max(0, buckets.closedUntilMs - atMs, shutMs)
}
