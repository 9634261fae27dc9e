/**
 * One limit and what was used of it: a log of the window, for what the provider counts, and a pace, so that the whole cap does
 * not leave in one burst. Plain data, and functions that change nothing but it; time comes in as a number of milliseconds.
 *
 * 1. Amounts are whole numbers: sums are exact, and an empty window is exactly 0.
 * 2. What is granted counts from then until `windowMs + lagMs` after it was stamped. So the amounts that a provider counts in
 *    any window of `windowMs` never pass the cap, if it counts each of them between grant and `lagMs` after the stamp.
 * 3. The log only errs to the safe side: calls of one slice count until the last of them leaves the window. A slice is a 512th
 *    of the window unless said otherwise, so the log is bounded.
 * 4. The pace lets `burst` through at once and `cap` per window after that. While the window is full it saves up no more than one
 *    call: after a burst there is one pause, and then the full rate without waves. It is soft: tolerant of a microsecond.
 * 5. A cost above the burst waits for a full pace and leaves a debt; one above the cap is never granted.
 * 6. While nothing is taken, readiness only grows: `readyAt` is exact, and needs no second look.
 */

export interface Limit {
  /** Whole number: requests, tokens, nano-dollars per window; calls at a time without a window. */
  readonly cap: number
  /** 0: no window; what is taken comes back when it is settled, as with concurrency. @defaultValue 60_000 */
  readonly windowMs?: number | undefined
  /** The most that may leave at once after idling; a single larger cost may leave alone. @defaultValue a sixth of the cap */
  readonly burst?: number | undefined
  /** How long after the stamp the provider may count: the way there. @defaultValue a hundredth of the window */
  readonly lagMs?: number | undefined
  /** What is stamped: the moment the call leaves, or its end, when the provider counts then. @defaultValue 'start' */
  readonly counted?: 'start' | 'end' | undefined
}

interface Slice {
  readonly firstMs: number
  lastMs: number
  amount: number
}

export interface Meter {
  readonly given: { readonly cap: number; readonly burst: number }
  cap: number
  burst: number
  ratePerMs: number
  readonly spanMs: number
  readonly sliceMs: number
  readonly stampedAtEnd: boolean
  /** Granted and not stamped. */
  open: number
  /** The sum of the log. */
  used: number
  readonly log: Slice[]
  /** Slices that have left the log; with an index it makes a slice's number. */
  left: number
  /** Until then at least what the provider told of the cap holds. */
  toldUntilMs: number
  /** What the provider has counted of others than us, and until when that holds. */
  others: number
  othersUntilMs: number
  /** About the largest of the last costs. */
  recent: number
  /** When the pace was at 0; later than now while it is in debt. */
  paceMs: number
}

const SLICES = 512
const PACE_SLACK_MS = 0.001
/** The slice of what has no place in the log. */
export const NO_SLICE = -1

/** @throws RangeError for a limit that is none */
export function openMeter(name: string, limit: Limit, nowMs: number, slices = SLICES): Meter {
  const { cap, windowMs = 60_000, lagMs = windowMs / 100, counted = 'start' } = limit
  const burst = windowMs === 0 ? cap : Math.min(limit.burst ?? Math.max(1, Math.floor(cap / 6)), cap)
  if (!Number.isSafeInteger(cap) || cap < 0) throw new RangeError(`limit '${name}': cap ${cap} is no whole number`)
  if (!(burst > 0 || cap === 0)) throw new RangeError(`limit '${name}': burst ${burst} is not above 0`)
  if (!(windowMs >= 0 && lagMs >= 0 && windowMs + lagMs < Infinity)) {
    throw new RangeError(`limit '${name}': window ${windowMs} ms with lag ${lagMs} ms`)
  }
  const spanMs = windowMs === 0 ? 0 : windowMs + lagMs
  // No Infinity, which JSON does not know: meters are kept in logs too.
  const ratePerMs = spanMs === 0 ? Number.MAX_VALUE : cap / spanMs
  return {
    given: { cap, burst },
    cap,
    burst,
    ratePerMs,
    spanMs,
    sliceMs: spanMs / slices,
    stampedAtEnd: counted === 'end' || windowMs === 0,
    open: 0,
    used: 0,
    log: [],
    left: 0,
    toldUntilMs: 0,
    others: 0,
    othersUntilMs: 0,
    recent: 0,
    paceMs: cap === 0 ? nowMs : nowMs - burst / ratePerMs,
  }
}

/** The same limit under other terms: what was used stays used, what was saved up saved up, and what the provider told holds. */
export function retermed(meter: Meter, name: string, limit: Limit, nowMs: number, slices?: number): Meter {
  advance(meter, nowMs)
  const next = openMeter(name, limit, nowMs, slices)
  const { open, used, log, left, others, othersUntilMs, recent } = meter
  Object.assign(next, { open, used, log, left, others, othersUntilMs, recent })
  if (meter.cap < meter.given.cap) tellCap(next, nowMs, meter.cap, meter.toldUntilMs)
  if (next.spanMs > 0 && next.cap > 0) {
    const saved = meter.spanMs > 0 && meter.cap > 0 ? (nowMs - meter.paceMs) * meter.ratePerMs : 0
    next.paceMs = nowMs - Math.min(saved, next.burst) / next.ratePerMs
  }
  return next
}

export function roomOf({ cap, open, used, others }: Meter): number {
  return cap - open - used - others
}

/** Lets go what has left the window. Every other function expects this to have been done for its `nowMs`. */
export function advance(meter: Meter, nowMs: number): void {
  const { log, spanMs } = meter
  for (let oldest = log[0]; oldest !== undefined && oldest.lastMs + spanMs <= nowMs; oldest = log[0]) {
    const leavesMs = oldest.lastMs + spanMs
    letOthersGo(meter, leavesMs)
    pace(meter, leavesMs)
    meter.used -= oldest.amount
    meter.left += 1
    log.shift()
  }
  letOthersGo(meter, nowMs)
  pace(meter, nowMs)
}

export function isReady(meter: Meter, nowMs: number, cost: number): boolean {
  if (cost === 0) return true
  return cost <= roomOf(meter) && nowMs + PACE_SLACK_MS >= paceReadyMs(meter, meter.paceMs, cost)
}

/**
 * When `cost` can be granted if nothing else is; Infinity when only a settlement makes room. With `ahead` granted before it: a
 * time before which it cannot be.
 */
export function readyAt(meter: Meter, nowMs: number, cost: number, ahead = 0): number {
  if (cost === 0) return nowMs
  const wanted = Math.min(cost + ahead, meter.cap)
  let { paceMs } = meter
  let room = roomOf(meter)
  let readyMs = nowMs
  for (const { atMs, amount } of leavings(meter)) {
    if (wanted <= room) break
    // What is ahead would have used the pace that is cut off here.
    if (ahead === 0) paceMs = paceAt(meter, atMs, paceMs, room)
    room += amount
    readyMs = Math.max(readyMs, atMs)
  }
  if (wanted > room) return Infinity
  const paceReady = paceReadyMs(meter, paceMs, cost) + (ahead === 0 ? 0 : ahead / meter.ratePerMs)
  return Math.max(readyMs, paceReady)
}

export function grant(meter: Meter, cost: number): void {
  meter.open += cost
  meter.recent = Math.max(cost, meter.recent * 0.9)
  move(meter, cost)
}

/** Puts a granted amount into the log. @returns the number of its slice, for `amend` */
export function stamp(meter: Meter, nowMs: number, amount: number): number {
  meter.open -= amount
  return count(meter, nowMs, amount)
}

/** Nothing of a granted amount was used. */
export function giveBack(meter: Meter, amount: number): void {
  meter.open -= amount
  move(meter, -amount)
}

/** A stamped amount was `more` than it said, or less. What comes on top counts from now. */
export function amend(meter: Meter, nowMs: number, slice: number, more: number): void {
  move(meter, more)
  // The window holds what is too much; the pace must not hold it for longer.
  if (meter.spanMs > 0) meter.paceMs = Math.min(meter.paceMs, nowMs + meter.spanMs)
  if (more > 0) {
    count(meter, nowMs, more)
    return
  }
  const entry = slice === NO_SLICE ? undefined : meter.log[slice - meter.left]
  if (entry === undefined) return
  entry.amount += more
  meter.used += more
}

/** The provider allows less than was configured, or as much again; never more. What it told is believed until then at least. */
export function tellCap(meter: Meter, nowMs: number, cap: number, untilMs: number): void {
  lowerTo(meter, nowMs, cap)
  meter.toldUntilMs = untilMs
}

/**
 * What the provider told is forgotten for a call that is above it and not above the configured cap, once it is old: else no such call
 * would leave any more to hear of another one.
 */
export function forgetOld(meter: Meter, nowMs: number, cost: number): void {
  if (cost > meter.cap && cost <= meter.given.cap && nowMs >= meter.toldUntilMs) lowerTo(meter, nowMs, meter.given.cap)
}

function lowerTo(meter: Meter, nowMs: number, cap: number): void {
  const { given } = meter
  const next = Math.max(0, Math.min(given.cap, Math.floor(cap)))
  if (next === meter.cap || meter.spanMs === 0) return
  const level = meter.cap === 0 ? 0 : (nowMs - meter.paceMs) * meter.ratePerMs
  meter.cap = next
  meter.burst = given.cap === 0 ? 0 : Math.min(next, Math.max(1, (given.burst * next) / given.cap))
  meter.ratePerMs = next / meter.spanMs
  meter.paceMs = next === 0 ? nowMs : paceAt(meter, nowMs, nowMs - level / meter.ratePerMs, roomOf(meter))
}

/** The provider says what is left of its own limit: what we have not used ourselves, others have. The newest word counts. */
export function leave(meter: Meter, nowMs: number, remaining: number, untilMs: number | undefined): void {
  if (meter.spanMs === 0) return
  meter.others = Math.max(0, Math.ceil(meter.cap - meter.open - meter.used - remaining))
  meter.othersUntilMs = Math.max(untilMs ?? nowMs + meter.spanMs, nowMs + 1)
  pace(meter, nowMs)
}

export function emptyPace(meter: Meter, nowMs: number): void {
  meter.paceMs = Math.max(meter.paceMs, nowMs)
}

function count(meter: Meter, nowMs: number, amount: number): number {
  if (meter.spanMs === 0 || amount === 0) return NO_SLICE
  meter.used += amount
  const last = meter.log.at(-1)
  if (last !== undefined && nowMs - last.firstMs < meter.sliceMs) {
    last.amount += amount
    last.lastMs = nowMs
  } else meter.log.push({ firstMs: nowMs, lastMs: nowMs, amount })
  return meter.left + meter.log.length - 1
}

/** The pace by an amount taken, or given back. */
function move(meter: Meter, amount: number): void {
  if (meter.cap > 0) meter.paceMs += amount / meter.ratePerMs
}

/** What will leave the window if nothing else is granted, in the order of time: slices of the log, and what others have used. */
function* leavings({ log, spanMs, others, othersUntilMs }: Meter): Generator<{ atMs: number; amount: number }> {
  let waitsForOthers = others > 0
  for (const { lastMs, amount } of log) {
    const atMs = lastMs + spanMs
    if (waitsForOthers && othersUntilMs <= atMs) {
      yield { atMs: othersUntilMs, amount: others }
      waitsForOthers = false
    }
    yield { atMs, amount }
  }
  if (waitsForOthers) yield { atMs: othersUntilMs, amount: others }
}

function letOthersGo(meter: Meter, byMs: number): void {
  if (meter.others === 0 || meter.othersUntilMs > byMs) return
  pace(meter, meter.othersUntilMs)
  meter.others = 0
}

/** The pace goes on to this moment. */
function pace(meter: Meter, atMs: number): void {
  meter.paceMs = paceAt(meter, atMs, meter.paceMs, roomOf(meter))
}

/** The pace at a moment, cut to what may be saved up. */
function paceAt({ burst, cap, ratePerMs, recent }: Meter, atMs: number, paceMs: number, room: number): number {
  if (cap === 0) return atMs
  const leastMs = atMs - Math.min(burst, Math.max(room, recent)) / ratePerMs
  return Math.max(paceMs, leastMs)
}

function paceReadyMs({ burst, ratePerMs }: Meter, paceMs: number, cost: number): number {
  return paceMs + Math.min(cost, burst) / ratePerMs
}
