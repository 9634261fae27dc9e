/**
 * Several limits at once. A call takes from all of them or from none: plain data, and functions that change nothing but it.
 *
 * 1. `take` grants when every limit has room (meter/2), else it takes nothing and says until when to wait, exactly.
 * 2. A cost above a cap is refused at once with the limit's name: waiting would never end.
 * 3. A taking is settled or released once; what comes later changes nothing. Settled, its limits hold what was really used;
 *    released, as if it had never been. A limit of which the settlement says nothing keeps what was reserved.
 * 4. What a provider says only ever lowers: never above the configured cap, and never before a wait that it asked for.
 */
import { CostRefused } from './errors.ts'
import {
  advance,
  amend,
  emptyPace,
  forgetOld,
  giveBack,
  grant,
  isReady,
  type Limit,
  leave,
  type Meter,
  NO_SLICE,
  openMeter,
  readyAt,
  roomOf,
  stamp,
  tellCap,
} from './meter.ts'

export type Limits<Name extends string> = { readonly [name in Name]: Limit }
/** Whole numbers by limit; a limit that is not named is not touched. */
export type Cost<Name extends string> = { readonly [name in Name]?: number | undefined }

export interface Buckets<Name extends string> {
  readonly meters: readonly (Meter & { readonly name: Name })[]
  /** Until then nothing is granted, whatever there is room for. */
  closedUntilMs: number
}

/** What one call holds, in the order of the meters. */
export interface Taken {
  readonly amounts: number[]
  readonly slices: number[]
  state: 'held' | 'begun' | 'ended'
}

export type Outlook<Name extends string> =
  | { readonly kind: 'now' }
  /** `untilMs` is Infinity when only a settlement makes room. `limit` is undefined when the provider asked for the wait. */
  | { readonly kind: 'later'; readonly untilMs: number; readonly limit: Name | undefined }
  | { readonly kind: 'never'; readonly error: CostRefused }

export type Taking<Name extends string> =
  | { readonly kind: 'taken'; readonly taken: Taken }
  | Exclude<Outlook<Name>, { readonly kind: 'now' }>

/** What a provider said, by limit. */
export interface Told {
  /** Asked for a pause of everything. */
  readonly retryAfterMs?: number | undefined
  readonly limits: { readonly [name: string]: ToldLimit }
}

export interface ToldLimit {
  readonly cap?: number | undefined
  readonly remaining?: number | undefined
  /** From now. */
  readonly resetMs?: number | undefined
}

/**
 * @param slices of the log of each window: fewer are smaller and hold what was used for a little longer
 * @throws RangeError for a limit that is none
 */
export function openBuckets<Name extends string>(limits: Limits<Name>, nowMs: number, slices?: number): Buckets<Name> {
  const meters: (Meter & { readonly name: Name })[] = []
  for (const name in limits) meters.push({ name, ...openMeter(name, limits[name], nowMs, slices) })
  return { meters, closedUntilMs: -Number.MAX_VALUE }
}

export function take<Name extends string>(buckets: Buckets<Name>, nowMs: number, cost: Cost<Name>): Taking<Name> {
  const { meters } = buckets
  const amounts: number[] = []
  let ready = nowMs >= buckets.closedUntilMs
  for (const meter of meters) {
    const amount = cost[meter.name] ?? 0
    advance(meter, nowMs)
    if (!(amount <= meter.cap && amount >= 0 && Number.isInteger(amount))) return refused(meter, amount)
    ready &&= isReady(meter, nowMs, amount)
    amounts.push(amount)
  }
  if (!ready) {
    const outlook = look(buckets, nowMs, cost)
    // Ready by the microsecond that the pace is tolerant of.
    return outlook.kind === 'now' ? { kind: 'later', untilMs: nowMs, limit: undefined } : outlook
  }
  const slices: number[] = []
  for (let n = 0; n < meters.length; n++) {
    const [meter, amount] = [meters[n], amounts[n]]
    if (meter !== undefined && amount !== undefined && amount > 0) grant(meter, amount)
    slices.push(NO_SLICE)
  }
  return { kind: 'taken', taken: { amounts, slices, state: 'held' } }
}

/** What `take` would say, without taking; `ahead`: costs that are served first, which makes the wait a lower bound. */
export function look<Name extends string>(
  buckets: Buckets<Name>,
  nowMs: number,
  cost: Cost<Name>,
  ahead?: ReadonlyMap<Name, number>,
): Outlook<Name> {
  let untilMs = Math.max(nowMs, buckets.closedUntilMs)
  let limit: Name | undefined
  for (const meter of buckets.meters) {
    const amount = cost[meter.name] ?? 0
    advance(meter, nowMs)
    if (!(amount <= meter.cap && amount >= 0 && Number.isInteger(amount))) return refused(meter, amount)
    const before = ahead?.get(meter.name) ?? 0
    const ready = before === 0 && isReady(meter, nowMs, amount)
    const readyMs = ready ? nowMs : readyAt(meter, nowMs, amount, before)
    if (readyMs > untilMs) [untilMs, limit] = [readyMs, meter.name]
  }
  return untilMs > nowMs ? { kind: 'later', untilMs, limit } : { kind: 'now' }
}

/** Before a call is refused for good: an old word of the provider shall not be the reason. */
export function forgive<Name extends string>({ meters }: Buckets<Name>, nowMs: number, cost: Cost<Name>): void {
  for (const meter of meters) {
    advance(meter, nowMs)
    forgetOld(meter, nowMs, cost[meter.name] ?? 0)
  }
}

/** The call leaves now. Until then what was taken counts without an end; a call that never says so is stamped when it is settled. */
export function begin<Name extends string>({ meters }: Buckets<Name>, nowMs: number, taken: Taken): void {
  if (taken.state !== 'held') return
  taken.state = 'begun'
  each(meters, taken, (meter, amount, n) => {
    if (meter.stampedAtEnd) return
    advance(meter, nowMs)
    taken.slices[n] = stamp(meter, nowMs, amount)
  })
}

/** Only this much of it is needed after all; the rest is given back. For what has not begun. */
export function keep<Name extends string>(
  { meters }: Buckets<Name>,
  nowMs: number,
  taken: Taken,
  needed: Cost<Name>,
): void {
  if (taken.state !== 'held') return
  each(meters, taken, (meter, amount, n) => {
    const kept = Math.min(amount, Math.max(0, Math.ceil(needed[meter.name] ?? 0)))
    advance(meter, nowMs)
    giveBack(meter, amount - kept)
    taken.amounts[n] = kept
  })
}

export function settle<Name extends string>(
  { meters }: Buckets<Name>,
  nowMs: number,
  taken: Taken,
  actual: Cost<Name> = {},
): void {
  const { state } = taken
  if (state === 'ended') return
  taken.state = 'ended'
  each(meters, taken, (meter, amount, n) => {
    advance(meter, nowMs)
    const stamped = state === 'begun' && !meter.stampedAtEnd
    const slice = stamped ? (taken.slices[n] ?? NO_SLICE) : stamp(meter, nowMs, amount)
    const used = meter.spanMs === 0 ? amount : Math.max(0, Math.ceil(actual[meter.name] ?? amount))
    if (used !== amount && Number.isSafeInteger(used)) amend(meter, nowMs, slice, used - amount)
  })
}

export function release<Name extends string>({ meters }: Buckets<Name>, nowMs: number, taken: Taken): void {
  const { state } = taken
  if (state === 'ended') return
  taken.state = 'ended'
  each(meters, taken, (meter, amount, n) => {
    advance(meter, nowMs)
    if (state === 'begun' && !meter.stampedAtEnd) amend(meter, nowMs, taken.slices[n] ?? NO_SLICE, -amount)
    else giveBack(meter, amount)
  })
}

export function learn<Name extends string>(buckets: Buckets<Name>, nowMs: number, told: Told): void {
  for (const meter of buckets.meters) {
    const said = Object.hasOwn(told.limits, meter.name) ? told.limits[meter.name] : undefined
    if (said === undefined) continue
    advance(meter, nowMs)
    const { cap, remaining, resetMs } = said
    if (cap !== undefined) tellCap(meter, nowMs, cap, nowMs + Math.max(meter.spanMs, resetMs ?? 0))
    if (remaining !== undefined) {
      leave(meter, nowMs, remaining, resetMs === undefined ? undefined : nowMs + resetMs)
    }
  }
  if (told.retryAfterMs !== undefined) close(buckets, nowMs, told.retryAfterMs)
}

/** The provider wants fewer calls: no burst is left, and nothing leaves before the wait that it asked for. */
export function close<Name extends string>(buckets: Buckets<Name>, nowMs: number, retryAfterMs = 0): void {
  buckets.closedUntilMs = Math.max(buckets.closedUntilMs, nowMs + retryAfterMs)
  for (const meter of buckets.meters) {
    advance(meter, nowMs)
    if (meter.spanMs > 0) emptyPace(meter, nowMs)
  }
}

/** What could be taken of each limit if its pace allowed it. */
export function rooms<Name extends string>(buckets: Buckets<Name>, nowMs: number): ReadonlyMap<Name, number> {
  return new Map(
    buckets.meters.map((meter) => {
      advance(meter, nowMs)
      return [meter.name, roomOf(meter)]
    }),
  )
}

function each<Name extends string>(
  meters: Buckets<Name>['meters'],
  { amounts }: Taken,
  work: (meter: Meter & { readonly name: Name }, amount: number, n: number) => void,
): void {
  for (let n = 0; n < meters.length; n++) {
    const [meter, amount] = [meters[n], amounts[n]]
    if (meter !== undefined && amount !== undefined && (amount > 0 || meter.spanMs > 0)) work(meter, amount, n)
  }
}

function refused(
  { name, cap, given }: Meter & { readonly name: string },
  cost: number,
): { kind: 'never'; error: CostRefused } {
  const whole = Number.isInteger(cost) && cost >= 0
  const lowered = cap < given.cap ? ` (${given.cap} configured; the provider allows less)` : ''
  const why = whole ? `above the cap of ${cap}${lowered}; make the call smaller or raise the limit` : 'no whole number'
  return {
    kind: 'never',
    error: new CostRefused(`limit '${name}': a cost of ${cost} is ${why}`, { limit: name, cost, cap }),
  }
}
