/**
 * An effect with all the parts around it, itself an effect: fallback(retry(timeout(breaker(limiter(bulkhead(work)))))).
 *
 * 1. Each try is a call of its own (`one-try.ts`). 429 (`RateLimited`) drains the limiter and never trips the breaker.
 * 2. Neither a retry nor a fallback follows a `write` whose outcome is unknown, a first streamed byte or the caller's abort.
 * 3. Parts made from options belong to one system each; parts that are given are shared by all who have them.
 * 4. What was decided, and why, is in the effect's record under its name, use by use (`uses.ts`).
 * 5. Options that mean nothing are refused when they are declared.
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
} from '@troupe/core'
import { Breaker, type BreakerOptions } from './breaker.ts'
import { breakerTerms } from './breaker-terms.ts'
import { type Limits, openBuckets } from './buckets.ts'
import { Bulkhead, type BulkheadOptions } from './bulkhead.ts'
import { codeOf, retryAfterOf } from './errors.ts'
import { type Branch, fallback } from './fallback.ts'
import { Gate } from './gate.ts'
import type { Granting } from './grant.ts'
import { Limiter } from './limiter.ts'
import { OneTry, type TryNote, type TryOptions, type TryParts } from './one-try.ts'
import { layerIn, protectionOf, within } from './protection.ts'
import { ABOVE_0, check } from './ranges.ts'
import { checkRetry, mayBeApplied, type RetryOptions, retry } from './retry.ts'
import { Uses } from './uses.ts'

export interface ProtectOptions<I, O, Name extends string> extends TryOptions<I, O, Name> {
  /** @defaultValue that of the effect with `.protected` */
  readonly name?: string
  readonly limits?: TryOptions<I, O, Name>['limits'] & {
    /** Those of this process, or of the whole cluster. */
    readonly by: Limiter<Name> | Gate<Name> | Limits<Name>
  }
  readonly breaker?: Breaker | BreakerOptions
  readonly concurrency?: Bulkhead | BulkheadOptions | number
  readonly retry?: RetryOptions
  readonly fallback?: readonly { readonly to: Effect<I, O>; readonly when?: (error: unknown) => boolean }[]
  /** Where there is no system to give them. */
  readonly clock?: Clock
  readonly entropy?: Entropy
}

interface Parts<Name extends string> extends TryParts<Name> {
  readonly entropy: Entropy
}

/** @throws RangeError for options that mean nothing */
export function protect<I, O, Name extends string = string>(
  inner: Effect<I, O>,
  options: ProtectOptions<I, O, Name>,
): Effect<I, O> {
  const { name = `${inner.effect.name}.protected`, fallback: others = [] } = options
  checkOptions(name, options)
  const effectClass = strongest([inner, ...others.map(({ to }) => to)].map((one) => one.effect.class))
  // Not by name: two systems of one process must not share what they learn of time.
  const made = new WeakMap<object, Parts<Name>>()
  const partsOf = (of: object, context: EffectContext): Parts<Name> => {
    const parts = made.get(of) ?? makeParts(name, options, context)
    made.set(of, parts)
    return parts
  }
  const uses = new Uses()

  return effect(name, effectClass, async (input, context) => {
    const parts = partsOf(context.runtime ?? options, context)
    const outer = protectionOf(context)
    const owner = outer?.retriedBy
    const tries: TryNote[] = []
    const layer = layerIn(outer, owner ?? (options.retry === undefined ? undefined : name))
    const attempt = async (deadlineMs: number): Promise<O> => {
      const note: TryNote = {}
      tries.push(note)
      const own = layerIn(layer, layer.retriedBy)
      try {
        const value = await new OneTry(inner, options, parts, note, own).run(input, context, deadlineMs)
        note.ended = 'ok'
        return value
      } catch (error) {
        note.ended = codeOf(error)
        if (note.ended === 'RateLimited') parts.limiter?.drain(retryAfterOf(error))
        throw error
      } finally {
        own.over = true
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
        return to.effect.run(input, within(context, layerIn(layer, owner), context.signal))
      }
      return { name: to.effect.name, when, run }
    })
    const may = (error: unknown): boolean =>
      !context.signal.aborted && !layer.streamed && !(ran === 'write' && mayBeApplied(error))
    const record = (found: object) => {
      const retriedBy = options.retry === undefined ? undefined : owner
      const use = { tries, ...found, ...(retriedBy !== undefined && { retriedBy }) }
      context.evidence({ [name]: uses.add(context, use) })
    }
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

/** @throws RangeError */
function checkOptions<I, O, Name extends string>(name: string, options: ProtectOptions<I, O, Name>): void {
  const { limits, breaker, concurrency, timeoutMs, retry: retrying } = options
  check(`'${name}'`, ABOVE_0, { timeoutMs })
  if (retrying !== undefined) checkRetry(`the retry of '${name}'`, retrying)
  if (breaker !== undefined && !(breaker instanceof Breaker)) breakerTerms(breaker, `the breaker of '${name}'`)
  if (concurrency !== undefined && !(concurrency instanceof Bulkhead)) bulkheadOf(concurrency)
  if (limits !== undefined && !(limits.by instanceof Limiter || limits.by instanceof Gate)) openBuckets(limits.by, 0)
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

function strongest(classes: readonly EffectClass[]): EffectClass {
  return classes.includes('write') ? 'write' : classes.includes('idempotent') ? 'idempotent' : 'read'
}
