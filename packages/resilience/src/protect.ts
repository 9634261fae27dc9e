/**
 * An effect with all the parts around it, itself an effect: fallback(retry(timeout(breaker(limiter(bulkhead(work)))))).
 *
 * 1. Each try has its own timeout, which covers its waiting for limits and for a place.
 * 2. A limit's grant begins when the work does, so waiting for a place does not spoil the window. Work that never began gives
 *    everything back; work that failed counts in full.
 * 3. 429 (`RateLimited`) drains the limiter and never trips the breaker. The breaker hears only of work that began.
 * 4. Neither a retry nor a fallback follows a `write` whose outcome is unknown, a first streamed byte or the caller's abort.
 * 5. Parts made from options belong to one system each; parts that are given are shared by all who have them.
 * 6. What was decided, and why, is in the effect's record under its name.
 */
import {
  type Clock,
  cryptoEntropy,
  type Effect,
  type EffectClass,
  type EffectContext,
  type EffectRuntime,
  type Entropy,
  effect,
  LogicRefused,
  realClock,
  TroupeError,
} from '@troupe/core'
import { Breaker, type BreakerOptions } from './breaker.ts'
import type { Cost, Limits } from './buckets.ts'
import { Bulkhead, type BulkheadOptions } from './bulkhead.ts'
import { retryAfterOf } from './errors.ts'
import { type Branch, fallback } from './fallback.ts'
import { Gate } from './gate.ts'
import type { Grant, Granting } from './grant.ts'
import { Limiter } from './limiter.ts'
import { type Protection, protectionOf, within } from './protection.ts'
import { mayBeApplied, type RetryDecision, type RetryOptions, retry } from './retry.ts'
import { timeout } from './timeout.ts'

export interface ProtectOptions<I, O, Name extends string> {
  /** @defaultValue that of the effect with `.protected` */
  readonly name?: string
  readonly limits?: {
    /** Those of this process, or of the whole cluster. */
    readonly by: Limiter<Name> | Gate<Name> | Limits<Name>
    /** At most: what is held back before the call. */
    readonly cost: (input: I) => Cost<NoInfer<Name>>
    /** What the answer says was used. */
    readonly used?: (output: O) => Cost<NoInfer<Name>>
    readonly priority?: (input: I) => number
  }
  readonly breaker?: Breaker | BreakerOptions
  readonly concurrency?: Bulkhead | BulkheadOptions | number
  /** Of each try. */
  readonly timeoutMs?: number
  readonly retry?: RetryOptions
  readonly fallback?: readonly { readonly to: Effect<I, O>; readonly when?: (error: unknown) => boolean }[]
  /** Where there is no system to give them. */
  readonly clock?: Clock
  readonly entropy?: Entropy
}

interface Parts<Name extends string> {
  readonly clock: Clock
  readonly entropy: Entropy
  readonly limiter: Granting<Name> | undefined
  readonly breaker: Breaker | undefined
  readonly bulkhead: Bulkhead | undefined
}

/** One try, as the record shows it. */
interface Try {
  ended?: string
  waitedMs?: number
  /** Why the figures of what was used could not be had. */
  unread?: string
  next?: RetryDecision
}

export function protect<I, O, Name extends string = string>(
  inner: Effect<I, O>,
  options: ProtectOptions<I, O, Name>,
): Effect<I, O> {
  const { name = `${inner.effect.name}.protected`, limits, timeoutMs, fallback: others = [] } = options
  const effectClass = strongest([inner, ...others.map(({ to }) => to)].map((one) => one.effect.class))
  // Not by name: two systems of one process must not share what they learn of time.
  const made = new WeakMap<object, Parts<Name>>()
  const partsOf = (of: object, context: EffectContext): Parts<Name> => {
    const parts = made.get(of) ?? makeParts(name, options, context)
    made.set(of, parts)
    return parts
  }

  const tryOnce = (
    input: I,
    context: EffectContext,
    parts: Parts<Name>,
    layer: Protection,
    deadlineMs: number,
    note: Try,
  ) => {
    const { clock, limiter, breaker, bulkhead } = parts
    let begun = false
    const work = async (signal: AbortSignal, grant?: Grant<Name>): Promise<O> => {
      begun = true
      grant?.begin()
      const value = await inner.effect.run(input, within(context, layer, signal))
      try {
        if (limits?.used !== undefined) grant?.settle(limits.used(value))
      } catch (error) {
        // What is done is done: a figure that cannot be had counts in full, and the record says so.
        note.unread = codeOf(error)
      }
      return value
    }
    const placed = (signal: AbortSignal, grant?: Grant<Name>) =>
      bulkhead === undefined ? work(signal, grant) : bulkhead.run(() => work(signal, grant), signal)
    const limited = (signal: AbortSignal, untilMs: number) => {
      if (limiter === undefined || limits === undefined) return placed(signal)
      const waiting = { signal, deadlineMs: untilMs, priority: limits.priority?.(input), cause: context.cause }
      return limiter.run(limits.cost(input), waiting, async (grant) => {
        if (grant.waitedMs > 0) note.waitedMs = grant.waitedMs
        try {
          return await placed(signal, grant)
        } finally {
          if (!begun) grant.release()
        }
      })
    }
    const broken = (signal: AbortSignal, untilMs: number) =>
      breaker === undefined
        ? limited(signal, untilMs)
        : breaker.run(
            () => limited(signal, untilMs),
            signal,
            (error) => begun && breaker.counts(error),
          )
    if (timeoutMs === undefined && deadlineMs === Infinity) return broken(context.signal, Infinity)
    const leftMs = Math.min(timeoutMs ?? Infinity, deadlineMs - clock.monotonic())
    const untilMs = clock.monotonic() + leftMs
    return timeout((signal) => broken(signal, untilMs), { clock, timeoutMs: leftMs, signal: context.signal })
  }

  return effect(name, effectClass, async (input, context) => {
    const parts = partsOf(context.runtime ?? options, context)
    const outer = protectionOf(context)
    const owner = outer?.retriedBy
    const tries: Try[] = []
    const layer: Protection = {
      outer,
      streamed: false,
      retriedBy: owner ?? (options.retry === undefined ? undefined : name),
    }
    const attempt = async (deadlineMs: number): Promise<O> => {
      const note: Try = {}
      tries.push(note)
      try {
        const value = await tryOnce(input, context, parts, layer, deadlineMs, note)
        note.ended = 'ok'
        return value
      } catch (error) {
        note.ended = codeOf(error)
        if (note.ended === 'RateLimited') parts.limiter?.drain(retryAfterOf(error))
        throw error
      }
    }
    const retried = (): Promise<O> => {
      if (options.retry === undefined || owner !== undefined) return attempt(Infinity)
      return retry((_, deadlineMs) => attempt(deadlineMs), {
        ...options.retry,
        class: inner.effect.class,
        clock: parts.clock,
        entropy: parts.entropy,
        signal: context.signal,
        may: () => !layer.streamed,
        decided: (next) => Object.assign(tries.at(-1) ?? {}, { next }),
      })
    }
    let ran: EffectClass = inner.effect.class
    const branches = others.map(({ to, when }): Branch<O> => {
      const run = () => {
        ran = to.effect.class
        // A branch is a path of its own: what it contains may retry.
        const beside: Protection = { outer: layer, retriedBy: owner, streamed: false }
        return to.effect.run(input, within(context, beside, context.signal))
      }
      return { name: to.effect.name, when, run }
    })
    const may = (error: unknown): boolean =>
      !context.signal.aborted && !layer.streamed && !(ran === 'write' && mayBeApplied(error))
    const record = (found: object) =>
      context.evidence({
        [name]: { tries, ...found, ...(owner !== undefined && options.retry !== undefined && { retriedBy: owner }) },
      })
    try {
      const { value, branch, failed } = await fallback({ name: inner.effect.name, run: retried }, branches, may)
      record({ answeredBy: branch, ...(failed.length > 0 && { failed: failed.map(codes) }) })
      return value
    } catch (error) {
      record({ error: codeOf(error), ...(layer.streamed && { streamed: true }) })
      throw error
    }
  })
}

function makeParts<I, O, Name extends string>(
  name: string,
  { limits, breaker, concurrency, ...given }: ProtectOptions<I, O, Name>,
  { runtime }: EffectContext,
): Parts<Name> {
  const clock = runtime?.clock ?? given.clock ?? realClock()
  const entropy = runtime?.entropy ?? given.entropy ?? cryptoEntropy()
  return {
    clock,
    entropy,
    limiter: limits && grantingOf(name, limits.by, clock, runtime),
    breaker: breaker && (breaker instanceof Breaker ? breaker : new Breaker(clock, breaker)),
    bulkhead: concurrency === undefined || concurrency instanceof Bulkhead ? concurrency : bulkheadOf(concurrency),
  }
}

/** @throws LogicRefused */
function grantingOf<Name extends string>(
  name: string,
  by: Limiter<Name> | Gate<Name> | Limits<Name>,
  clock: Clock,
  runtime: EffectRuntime | undefined,
): Granting<Name> {
  if (by instanceof Limiter) return by
  if (!(by instanceof Gate)) return new Limiter({ limits: by, clock })
  if (runtime !== undefined) return by.in(runtime)
  throw new LogicRefused(`'${name}' goes through gate '${by.name}', which it can inside a Troupe system only`)
}

function bulkheadOf(concurrency: BulkheadOptions | number): Bulkhead {
  return new Bulkhead(typeof concurrency === 'number' ? { concurrent: concurrency } : concurrency)
}

const codes = ({ branch, error }: { readonly branch: string; readonly error: unknown }) => ({
  branch,
  code: codeOf(error),
})

function codeOf(error: unknown): string {
  if (error instanceof TroupeError) return error.code
  return error instanceof Error ? error.name : typeof error
}

function strongest(classes: readonly EffectClass[]): EffectClass {
  return classes.includes('write') ? 'write' : classes.includes('idempotent') ? 'idempotent' : 'read'
}
