/**
 * A signature answered by whichever route is best for it: `routed(signature, { routes })`, an effect.
 *
 * 1. `routing/<signature>` chooses, from what all nodes have told it; what came of a choice is told to it before the effect ends.
 * 2. The next route is asked when one fails, or when its answer is not accepted; not after a first streamed byte, after the caller's
 *    abort, or for an input that no route could take.
 * 3. A routing that cannot be asked costs nothing but its evidence: the routes are asked as without any.
 * 4. A model is asked for JSON by the signature's schema, or in words where the signature has one plain string to answer.
 * 5. The selection and what each route came to are in the effect's record.
 */
import { type Clock, type Effect, effect, InvalidEvent, LogicRefused, realClock, TroupeError } from '@troupe/core'
import { watchedForStreams } from '@troupe/resilience'
import type { Signature } from '@troupe/signatures'
import { DEFAULT_MAX_TOKENS } from './budget.ts'
import { CallMeter } from './call-meter.ts'
import { type Model, ModelError } from './model.ts'
import { answerInWords, isPlain } from './plain-answer.ts'
import { type PredictOptions, predict } from './predict.ts'
import { LONGEST_REST_MS, type RouteOutcome } from './route-evidence.ts'
import { Routing, type Told } from './routing-client.ts'
import { explain, type Needs, POLICY, type Policy, type RouteFacts, type RouteKind, type Selection } from './select.ts'

/** One way to an answer: a model, or an effect of the same signature, as `pool.predict(signature)` makes one. */
export type Route<I, O> = Omit<RouteFacts, 'kind'> &
  (
    | { readonly model: Model; readonly kind?: 'structured' | 'direct' | 'mock' }
    | { readonly effect: Effect<I, O>; readonly kind?: 'python' | 'mock' }
  )

export interface RoutedOptions<I, O> extends Omit<PredictOptions<O>, 'model'> {
  /** With names of their own. */
  readonly routes: readonly Route<I, O>[]
  readonly policy?: Partial<Policy>
  /** The one route to be asked, unless the routing has another one pinned. */
  readonly pin?: string
  readonly needs?: (input: I) => Partial<Needs>
  /** Whether an answer that fits is good enough. */
  readonly accept?: (output: O, input: I) => boolean
  /** From 0 to 1, how good an answer is. @defaultValue 1 when it was right at once, less for each repair */
  readonly quality?: (output: O, input: I) => number
  /** Of the actor that chooses. @defaultValue the hash of the signature */
  readonly routing?: string
}

/** What one route came to, as the effect's record has it. */
interface Asked {
  readonly route: string
  readonly ended: string
  readonly calls: number
  readonly ms: number
  readonly costUsd?: number
}

export function routed<I extends object, O extends object>(
  signature: Signature<I, O>,
  options: RoutedOptions<I, O>,
): Effect<I, O> {
  const { routes, policy: given, pin, needs: needsOf, accept, quality, routing, ...asking } = options
  const name = `routed.${signature.spec.name}`
  const policy: Policy = { ...POLICY, ...given }
  checkNames(name, routes, pin)
  const usual = isPlain(signature.spec) === undefined ? 'structured' : 'direct'
  const owner = new Routing({
    name: routing ?? signature.hash,
    routes: routes.map((route) => factsOf(route, usual)),
    policy,
    pin,
  })

  const workOf = (route: Route<I, O>, meter: CallMeter): Effect<I, O> => {
    if ('effect' in route) return route.effect
    const model = meter.around(route.model)
    const kind = route.kind ?? usual
    return kind === 'direct' ? answerInWords(signature, { ...asking, model }) : predict(signature, { ...asking, model })
  }

  /** @returns what the route came to, and the answer if it is accepted. @throws what ends the search */
  const ask = async (
    route: Route<I, O>,
    input: I,
    { context, streamed }: ReturnType<typeof watchedForStreams>,
    clock: Clock,
  ): Promise<{
    readonly asked: Asked
    readonly outcome?: RouteOutcome | undefined
    readonly value?: O
    readonly error?: unknown
  }> => {
    const meter = new CallMeter(route.price)
    const beganMs = clock.monotonic()
    const came = (ended: string) => {
      const { calls, costUsd } = meter
      const ms = clock.monotonic() - beganMs
      const spent = { ms, ...(costUsd !== undefined && { costUsd }) }
      return { spent, asked: { route: route.name, ended, calls, ...spent, ms: Math.round(ms) } }
    }
    try {
      const value = await workOf(route, meter).effect.run(input, context)
      if (accept === undefined || accept(value, input)) {
        const { asked, spent } = came('accepted')
        const good = quality?.(value, input) ?? 1 / Math.max(1, meter.calls)
        return { asked, outcome: { kind: 'answered', quality: good, ...spent }, value }
      }
      const { asked, spent } = came('not accepted')
      const error = new ModelError('ResultRefused', `${name}: the answer of route '${route.name}' was not accepted`)
      return { asked, outcome: { kind: 'answered', quality: 0, ...spent }, error }
    } catch (error) {
      if (context.signal.aborted || streamed() || error instanceof InvalidEvent) throw error
      const { asked, spent } = came(codeOf(error))
      return { asked, outcome: outcomeOf(error, spent), error }
    }
  }

  return effect(name, 'idempotent', async (input: I, context) => {
    const clock = context.runtime?.clock ?? realClock()
    const needs = { promptTokens: promptTokens(input), answerTokens: asking.maxTokens ?? DEFAULT_MAX_TOKENS }
    const chosen = await owner.choose({ ...needs, ...needsOf?.(input) }, context, clock)
    const asked: Asked[] = []
    const record = () => context.evidence({ [name]: { ...chosen, asked: [...asked] } })
    record()
    const { order } = chosen.selection
    if (order.length === 0) throw noRoute(name, chosen.selection)
    const watched = watchedForStreams(context)
    const outcomes: Told[] = []
    let last: unknown
    try {
      for (const route of order.flatMap((one) => routes.find(({ name }) => name === one) ?? [])) {
        const { asked: said, outcome, value, error } = await ask(route, input, watched, clock)
        asked.push(said)
        if (outcome !== undefined) outcomes.push({ route: route.name, outcome })
        record()
        if (value !== undefined) return value
        last = error
      }
    } finally {
      await owner.tell(outcomes, context)
    }
    throw last
  })
}

/** Bytes of English text to a token, about. */
const BYTES_PER_TOKEN = 4
/** What a prompt has besides its input. */
const PROMPT_TOKENS = 300

/** Codes of refusals that hold for every call: the route rests. */
const RESTS = new Set(['RateLimited', 'Busy', 'BreakerOpen', 'BudgetExceeded', 'QuotaExhausted'])
/** Codes of what one input came to: the route may be as good as ever for the others. */
const OF_THE_INPUT = new Set([
  ...['ContextTooLong', 'InvalidRequest', 'Unsupported', 'MessageTooLarge', 'NotSerializable', 'InvalidArguments'],
])

/** @returns undefined for what says nothing about the route */
function outcomeOf(
  error: unknown,
  spent: { readonly ms: number; readonly costUsd?: number },
): RouteOutcome | undefined {
  const code = codeOf(error)
  if (OF_THE_INPUT.has(code)) return undefined
  if (!(error instanceof TroupeError) || !RESTS.has(code)) return { kind: 'failed', code, ...spent }
  const { retryAfterMs } = error.details
  const asked = typeof retryAfterMs === 'number' && retryAfterMs >= 0
  return { kind: 'refused', code, ...(asked && { retryAfterMs: Math.min(retryAfterMs, LONGEST_REST_MS) }) }
}

function codeOf(error: unknown): string {
  return error instanceof TroupeError ? error.code : error instanceof Error ? error.name : typeof error
}

function noRoute(name: string, selection: Selection): ModelError {
  const rests = selection.candidates.map(({ restsMs }) => restsMs).filter((ms) => ms !== undefined)
  const text = `${name}: no route is left\n${explain(selection)}`
  // Who only rests can be asked later.
  return rests.length > 0
    ? new ModelError('Busy', text, { retryAfterMs: Math.min(...rests) })
    : new ModelError('NoRoute', text)
}

function promptTokens(input: object): number {
  return PROMPT_TOKENS + Math.ceil(Buffer.byteLength(JSON.stringify(input)) / BYTES_PER_TOKEN)
}

function factsOf<I, O>(route: Route<I, O>, usual: RouteKind): RouteFacts {
  const { name, can, contextTokens, price, tags, kind = 'effect' in route ? 'python' : usual } = route
  return {
    name,
    kind,
    ...(can && { can }),
    ...(contextTokens !== undefined && { contextTokens }),
    ...(price && { price }),
    ...(tags && { tags }),
  }
}

/** @throws LogicRefused */
function checkNames(name: string, routes: readonly { readonly name: string }[], pin: string | undefined): void {
  const names = new Set(routes.map((route) => route.name))
  if (routes.length === 0) throw new LogicRefused(`${name} has no routes`)
  if (names.size < routes.length) throw new LogicRefused(`${name}: two routes have the same name`)
  if (pin !== undefined && !names.has(pin)) throw new LogicRefused(`${name}: '${pin}' is pinned and no route`)
}
