/**
 * A gate as one process sees it: its own line of waiting calls, and the allowances that it holds.
 *
 * 1. Calls take from allowances without asking anybody. Only the first in line asks the gate, for as many calls as wait and as lately
 *    came; one question is under way at a time.
 * 2. What became of allowances is told with the next question, or soon after; what is not acknowledged is told again.
 * 3. A gate that does not answer is asked again for as long as somebody waits: an owner that moves or dies loses no caller.
 * 4. A refusal for the rate ends all allowances here at once, and those of other holders when they next hear of the gate.
 * 5. Every wait ends as `waiting-line.ts` says. Memory is bounded by the calls that wait and run.
 */
import {
  type Clock,
  canonical,
  type EffectRuntime,
  LogicRefused,
  type Shared,
  SystemStopped,
  type Timer,
  TroupeError,
} from '@troupe/core'
import { Allowance, type HeldCall } from './allowance.ts'
import { countsAsFailure, judged, type Pass } from './breaker.ts'
import type { Cost, Told } from './buckets.ts'
import { BreakerOpen, CostRefused, LimitReached } from './errors.ts'
import { type Drawn, gateSays, type Terms } from './gate-protocol.ts'
import { GateReports } from './gate-reports.ts'
import type { Grant, Granting } from './grant.ts'
import { addTo, Lately, type Some } from './lately.ts'
import { tooLate, WaitingLine, type WaitOptions } from './waiting-line.ts'

const MAX_WAITING = 10_000
/** Calls that one question may be for. */
const MANY = 256
const ASK_MS = 5_000
const AGAIN_MS = { first: 50, longest: 2_000 }
const LATELY_MS = 2_000
/** A node that starts may not have told its types yet. */
const UNSERVED_MS = 10_000

/** What it needs of its node. */
export type GateRuntime = Pick<EffectRuntime, 'clock' | 'node' | 'entropy' | 'ask'>

export class GateView implements Granting<string>, Shared {
  readonly #runtime: GateRuntime
  readonly #clock: Clock
  readonly #name: string
  readonly #holder: string
  readonly #line: WaitingLine<string, HeldCall>
  readonly #allowances = new Map<number, Allowance>()
  readonly #reports: GateReports
  readonly #lately: Lately
  #terms: Terms = { limits: {} }
  /** The same as text. */
  #said: string | undefined
  #counts = countsAsFailure
  #newest = 0
  #asking = false
  #failures = 0
  #blockedBy: string | undefined
  /** Only what somebody gives back makes room. */
  #waitsForRoom = false
  /** Why the gate cannot be asked, and since when. */
  #trouble: { readonly error: TroupeError; readonly sinceMs: number } | undefined
  /** The gate is not asked before it has fired. */
  #pause: Timer | undefined
  #closed = false

  constructor(runtime: GateRuntime, name: string) {
    const { clock, node, entropy } = runtime
    this.#runtime = runtime
    this.#clock = clock
    this.#name = name
    this.#holder = `${node}.${entropy.hex(64)}`
    this.#lately = new Lately(clock, LATELY_MS)
    this.#line = new WaitingLine({
      clock,
      maxWaiting: MAX_WAITING,
      pump: () => this.#pump(),
      late: (_, leftMs) => this.#late(leftMs),
    })
    this.#reports = new GateReports({
      clock,
      tell: async (report) => {
        const event = { type: 'report', holder: this.#holder, report }
        const { closedMs } = gateSays.replies.report.parse(
          await runtime.ask(gateSays, name, event, { timeoutMs: ASK_MS }),
        )
        if (closedMs > 0) this.#endAll()
      },
      over: ({ id }) => this.#allowances.delete(id),
    })
  }

  /** What was declared for this account. @throws LogicRefused when it was declared here before, and differently */
  agree(terms: Terms, counts: (error: unknown) => boolean): this {
    const said = canonical(terms)
    if (this.#said !== undefined && this.#said !== said) {
      throw new LogicRefused(
        `gate '${this.#name}' is declared twice with different limits; declare it once and share that`,
      )
    }
    this.#said = said
    this.#terms = terms
    this.#counts = counts
    return this
  }

  get waiting(): number {
    return this.#line.size
  }

  tryTake(cost: Cost<string>): Grant<string> | undefined {
    return this.#line.size > 0 ? undefined : this.#take(cost, 0)
  }

  wait(cost: Cost<string>, options: WaitOptions = {}): Promise<Grant<string>> {
    return this.#held(cost, options)
  }

  /** How `work` ends is told to the breaker of the gate. */
  async run<T>(cost: Cost<string>, options: WaitOptions, work: (grant: Grant<string>) => Promise<T>): Promise<T> {
    const held = await this.#held(cost, options)
    try {
      if (options.signal?.aborted) held.release()
      options.signal?.throwIfAborted()
      return await judged(passOf(held), () => work(held), options.signal, this.#counts)
    } finally {
      held.settle()
    }
  }

  learn(told: Told): void {
    this.#reports.told(told)
  }

  drain(retryAfterMs = 0): void {
    this.#endAll()
    this.#reports.drained(retryAfterMs)
  }

  close(): void {
    this.#closed = true
    this.#pause?.cancel()
    this.#endAll()
    this.#reports.close()
    const stopped = this.#stopped()
    this.#line.refuseAll(() => stopped)
  }

  // ── Taking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #held(cost: Cost<string>, options: WaitOptions): Promise<HeldCall> {
    options.signal?.throwIfAborted()
    if (this.#closed) throw this.#stopped()
    checkCost(cost, this.#terms)
    const taken = this.#line.size > 0 ? undefined : this.#take(cost, 0)
    if (taken !== undefined) return taken
    this.#line.checkRoom()
    const leftMs = (options.deadlineMs ?? Infinity) - this.#clock.monotonic()
    if (leftMs <= 0) throw tooLate(undefined, leftMs, undefined)
    return this.#line.join(cost, options)
  }

  #take(cost: Cost<string>, waitedMs: number): HeldCall | undefined {
    const nowMs = this.#clock.monotonic()
    for (const allowance of this.#allowances.values()) {
      if (!allowance.covers(cost, nowMs)) continue
      this.#lately.add(cost)
      return allowance.take(cost, waitedMs)
    }
    return undefined
  }

  #pump(): void {
    for (let place = this.#line.next(); place !== undefined; place = this.#line.next()) {
      const { cost, sinceMs } = place.value
      const taken = this.#take(cost, this.#clock.monotonic() - sinceMs)
      if (taken === undefined) {
        void this.#ask(cost)
        return
      }
      this.#line.serve(place, taken)
    }
  }

  #endAll(): void {
    for (const allowance of this.#allowances.values()) allowance.end()
  }

  #stopped(): SystemStopped {
    return new SystemStopped(`node '${this.#runtime.node}' stops; call again`, {}, 'no')
  }

  // ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #ask(least: Cost<string>): Promise<void> {
    if (this.#asking || this.#closed || this.#pause !== undefined) return
    this.#asking = true
    const askedMs = this.#clock.monotonic()
    const { report, heard } = this.#reports.take()
    const { calls, amounts } = this.#wanted()
    const draw = { holder: this.#holder, newest: this.#newest, terms: this.#terms, report }
    const event = { ...draw, type: 'draw', calls, least: amountsOf(least, this.#terms), most: amounts }
    const cause = this.#line.next()?.value.options.cause
    const options = { timeoutMs: ASK_MS, ...(cause && { cause }) }
    let then: () => void
    try {
      const answer = gateSays.replies.draw.parse(await this.#runtime.ask(gateSays, this.#name, event, options))
      heard(true)
      this.#failures = 0
      this.#trouble = undefined
      then = () => this.#answered(answer, least, askedMs)
    } catch (error) {
      heard(false)
      then = () => this.#unanswered(error)
    }
    this.#asking = false
    if (!this.#closed) then()
  }

  /** For those who wait, and for about as many as usually come while an allowance lasts. */
  #wanted(): Some {
    const { calls, amounts } = this.#lately.usual
    const some = { calls, amounts: amountsOf(amounts, this.#terms) }
    for (const { cost } of this.#line.everybody()) {
      if (some.calls >= MANY) break
      addTo(some, amountsOf(cost, this.#terms))
    }
    const part = Math.min(1, MANY / some.calls)
    const parts = Object.entries(some.amounts).map(([name, sum]) => [name, Math.floor(safe(sum) * part)])
    return { calls: Math.min(some.calls, MANY), amounts: Object.fromEntries(parts) }
  }

  #answered(answer: Drawn, least: Cost<string>, askedMs: number): void {
    switch (answer.kind) {
      case 'granted': {
        this.#newest = answer.id
        this.#reports.soonMs = answer.forMs / 4
        const allowance = new Allowance(answer, this.#clock, askedMs, () => {
          this.#reports.changed(allowance)
          if (allowance.over) this.#roomAgain()
        })
        this.#allowances.set(answer.id, allowance)
        this.#reports.holds(allowance)
        return this.#pump()
      }
      case 'later': {
        const { afterMs, atLeastMs, limit } = answer
        this.#blockedBy = limit
        this.#waitsForRoom = atLeastMs === undefined
        const soonestMs = this.#clock.monotonic() + (atLeastMs ?? 0)
        this.#line.refuseAll(({ options: { deadlineMs = Infinity } }) =>
          deadlineMs < soonestMs ? tooLate(limit, deadlineMs - this.#clock.monotonic(), atLeastMs) : undefined,
        )
        return this.#askAfter(afterMs)
      }
      case 'open': {
        const { retryAfterMs } = answer
        const text =
          retryAfterMs === undefined ? 'half-open, and its one probe runs' : `open for another ${retryAfterMs} ms`
        const open = new BreakerOpen(`the breaker of gate '${this.#name}' is ${text}`, {
          ...(retryAfterMs !== undefined && { retryAfterMs }),
        })
        return this.#line.refuseAll(() => open)
      }
      case 'never': {
        const { limit, cost, cap, why } = answer
        this.#line.refuseAll((waiting) =>
          waiting.cost === least ? new CostRefused(why, { limit, cost, cap }) : undefined,
        )
        return this.#pump()
      }
    }
  }

  #unanswered(error: unknown): void {
    if (!(error instanceof TroupeError) || !(error.retryable || error.applied === 'unknown')) {
      return this.#line.refuseAll(() => error)
    }
    const nowMs = this.#clock.monotonic()
    this.#trouble = { error, sinceMs: this.#trouble?.sinceMs ?? nowMs }
    if (error.code === 'TypeNotServed' && nowMs - this.#trouble.sinceMs > UNSERVED_MS) {
      return this.#line.refuseAll(() => this.#unreachable(error))
    }
    const longestMs = Math.min(AGAIN_MS.longest, AGAIN_MS.first * 2 ** this.#failures++)
    this.#askAfter(longestMs * (0.5 + this.#runtime.entropy.random() / 2))
  }

  #unreachable({ code, message }: TroupeError): LimitReached {
    const fix = code === 'TypeNotServed' ? '; are `gates` among the actors of a node?' : ''
    return new LimitReached(`gate '${this.#name}' cannot be asked (${code}: ${message})${fix}`, {
      retryAfterMs: AGAIN_MS.longest,
    })
  }

  #late(leftMs: number): LimitReached {
    return this.#trouble === undefined
      ? tooLate(this.#blockedBy, leftMs, undefined)
      : this.#unreachable(this.#trouble.error)
  }

  #roomAgain(): void {
    if (this.#pause === undefined || !this.#waitsForRoom) return
    this.#pause.cancel()
    this.#pause = undefined
    this.#pump()
  }

  #askAfter(ms: number): void {
    const ask = () => {
      this.#pause = undefined
      this.#pump()
    }
    this.#pause = this.#clock.after(ms, ask, { keepAlive: true })
  }
}

function passOf(held: HeldCall): Pass {
  let ended = false
  return {
    probe: false,
    end: (verdict) => {
      if (!ended && verdict !== 'void' && held.hasLeft) held.judge(verdict)
      ended = true
    },
  }
}

function amountsOf(cost: Cost<string>, { limits }: Terms): { [limit: string]: number } {
  return Object.fromEntries(Object.keys(limits).map((name) => [name, cost[name] ?? 0]))
}

function checkCost(cost: Cost<string>, { limits }: Terms): void {
  for (const [limit, { cap }] of Object.entries(limits)) {
    const amount = cost[limit] ?? 0
    if (Number.isSafeInteger(amount) && amount >= 0 && amount <= cap) continue
    const why = amount > cap ? `above the cap of ${cap}; make the call smaller or raise the limit` : 'no whole number'
    throw new CostRefused(`limit '${limit}': a cost of ${amount} is ${why}`, { limit, cost: amount, cap })
  }
}

function safe(sum: number): number {
  return Math.min(sum, Number.MAX_SAFE_INTEGER)
}
