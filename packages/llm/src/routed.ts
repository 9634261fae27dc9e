/**
 * A signature answered by whichever route is best for it: `routed(signature, { routes })`, an effect.
 *
 * 1. `routing/<signature>` chooses, from what all nodes have told it. What came of a choice is told to it; nobody waits for that.
 * 2. The next route is asked when one fails, or when its answer is not accepted; not after a first streamed byte, after the caller's
 *    abort, or for an input that no route could take.
 * 3. A routing that cannot be asked costs nothing but its evidence: the routes are asked as without any.
 * 4. A model is asked for JSON by the signature's schema, or in words where the signature has one plain string to answer.
 * 5. The selection and what each route came to are in the effect's record.
 * 6. What `needs`, `accept`, `quality` and `onPartial` throw ends the effect, and is no failure of a route.
 */
import {
  type Clock,
  type Effect,
  type EffectContext,
  effect,
  InvalidEvent,
  LogicRefused,
  realClock,
} from '@troupe/core'
import { codeOf, watchedForStreams } from '@troupe/resilience'
import type { Signature } from '@troupe/signatures'
import { DEFAULT_MAX_TOKENS } from './budget.ts'
import { CallMeter, MeteredModel } from './call-meter.ts'
import { ModelError } from './model.ts'
import { answerInWords, isPlain } from './plain-answer.ts'
import { type PredictOptions, predict } from './predict.ts'
import type { RouteOutcome } from './route-evidence.ts'
import { outcomeOf } from './route-outcome.ts'
import { checkDeclared, checkedNeeds, factsOf, type Route } from './routes.ts'
import { Routing, type Told } from './routing-client.ts'
import { explain, type Needs, POLICY, type Policy, type RouteKind, type Selection } from './select.ts'

export interface RoutedOptions<I, O> extends Omit<PredictOptions<O>, 'model'> {
  /** With names of their own. */
  readonly routes: readonly Route<I, O>[]
  readonly policy?: Partial<Policy>
  /** The one route to be asked, unless the routing has another one pinned. */
  readonly pin?: string
  readonly needs?: (input: I) => Partial<Needs>
  /** Whether an answer that fits is good enough. */
  readonly accept?: (output: O, input: I) => boolean
  /** How good an answer is; above 1 is 1, below 0 is 0. @defaultValue 1 when it was right at once, less for each repair */
  readonly quality?: (output: O, input: I) => number
  /** Of the actor that chooses. @defaultValue the hash of the signature */
  readonly routing?: string
}

interface Spent {
  readonly calls: number
  readonly ms: number
  readonly costUsd?: number
}

/** What one route came to, as the effect's record has it. */
interface Asked extends Spent {
  readonly route: string
  readonly ended: string
}

/** And what follows from it: the answer, the next route, or the end of the search. */
type Came<O> = { readonly asked: Asked; readonly outcome?: RouteOutcome | undefined } & (
  | { readonly kind: 'answer'; readonly value: O }
  | { readonly kind: 'next' | 'end'; readonly error: unknown }
)

type Run<I, O> = (input: I, context: EffectContext, meter: CallMeter) => Promise<O>

export function routed<I extends object, O extends object>(
  signature: Signature<I, O>,
  options: RoutedOptions<I, O>,
): Effect<I, O> {
  const { routes, policy: given, pin, needs, accept, quality, routing, onPartial, ...others } = options
  const name = `routed.${signature.spec.name}`
  const usual = isPlain(signature.spec) === undefined ? 'structured' : 'direct'
  const facts = routes.map((route) => factsOf(route, usual))
  const policy: Policy = { ...POLICY, ...given }
  checkDeclared(name, { facts, policy, pin })
  if (others.maxRepairs !== undefined && routes.every((route, n) => 'effect' in route || facts[n]?.kind === 'direct')) {
    throw new LogicRefused(`${name}: maxRepairs is for answers in JSON, and none of its routes gives one`)
  }
  const owner = new Routing({ name: routing ?? signature.hash, routes: facts, policy, pin })
  /** What `onPartial` threw: no fault of the route that it heard. */
  const ofListener = new WeakSet<Error>()
  const hear: typeof onPartial = (value, context) => {
    try {
      onPartial?.(value, context)
    } catch (error) {
      if (error instanceof Error) ofListener.add(error)
      throw error
    }
  }
  const asking = { ...others, ...(onPartial && { onPartial: hear }) }
  // Made once: what a route has learned of its server, its next call begins with.
  const runs = new Map(routes.map((route, n) => [route.name, runOf(signature, route, facts[n]?.kind, asking)]))

  /** How good the answer is, from 0 to 1. @throws what the functions of the caller throw, LogicRefused */
  const judge = (value: O, input: I, answers: number): number | 'not accepted' => {
    if (accept !== undefined && !accept(value, input)) return 'not accepted'
    if (quality === undefined) return 1 / Math.max(1, answers)
    const good = quality(value, input)
    if (typeof good === 'number' && !Number.isNaN(good)) return Math.min(1, Math.max(0, good))
    throw new LogicRefused(`${name}: the quality of an answer is ${good}; give a number from 0 to 1`)
  }

  const ask = async (
    route: string,
    run: Run<I, O>,
    input: I,
    { context, streamed }: ReturnType<typeof watchedForStreams>,
    clock: Clock,
  ): Promise<Came<O>> => {
    const meter = new CallMeter()
    const beganMs = clock.monotonic()
    const spend = (): Spent => {
      const { calls, costUsd } = meter
      return { calls, ms: clock.monotonic() - beganMs, ...(costUsd !== undefined && { costUsd }) }
    }
    const next = () => (streamed() ? 'end' : 'next')

    let value: O
    try {
      value = await run(input, context, meter)
    } catch (error) {
      const spent = spend()
      const failed = { asked: asAsked(route, codeOf(error), spent), error }
      const isOfCaller = error instanceof InvalidEvent || (error instanceof Error && ofListener.has(error))
      if (context.signal.aborted || isOfCaller) return { kind: 'end', ...failed }
      return { kind: next(), ...failed, outcome: outcomeOf(error, timed(spent)) }
    }

    const spent = spend()
    try {
      const good = judge(value, input, meter.answers)
      const outcome: RouteOutcome = { kind: 'answered', quality: good === 'not accepted' ? 0 : good, ...timed(spent) }
      if (good !== 'not accepted') return { kind: 'answer', asked: asAsked(route, 'accepted', spent), outcome, value }
      const error = new ModelError('ResultRefused', `${name}: the answer of route '${route}' was not accepted`)
      return { kind: next(), asked: asAsked(route, good, spent), outcome, error }
    } catch (error) {
      return { kind: 'end', asked: asAsked(route, 'not judged', spent), error }
    }
  }

  return effect(name, 'idempotent', async (input: I, context) => {
    const clock = context.runtime?.clock ?? realClock()
    const usually = { promptTokens: promptTokens(input), answerTokens: others.maxTokens ?? DEFAULT_MAX_TOKENS }
    const chosen = await owner.choose(checkedNeeds(name, { ...usually, ...needs?.(input) }), context, clock)
    const asked: Asked[] = []
    const record = () => context.evidence({ [name]: { ...chosen, asked: [...asked] } })
    record()
    const { order } = chosen.selection
    if (order.length === 0) throw noRoute(name, chosen.selection)
    const watched = watchedForStreams(context)
    const outcomes: Told[] = []
    let last: unknown
    try {
      for (const route of order) {
        const run = runs.get(route)
        if (run === undefined) continue
        const came = await ask(route, run, input, watched, clock)
        asked.push(came.asked)
        record()
        if (came.outcome !== undefined) outcomes.push({ route, outcome: came.outcome })
        if (came.kind === 'answer') return came.value
        if (came.kind === 'end') throw came.error
        last = came.error
      }
    } finally {
      owner.tell(outcomes, context)
    }
    throw last
  })
}

function asAsked(route: string, ended: string, spent: Spent): Asked {
  return { route, ended, ...spent, ms: Math.round(spent.ms) }
}

function timed({ calls: _, ...spent }: Spent): Omit<Spent, 'calls'> {
  return spent
}

function runOf<I extends object, O extends object>(
  signature: Signature<I, O>,
  route: Route<I, O>,
  kind: RouteKind | undefined,
  { maxRepairs, ...asking }: Omit<PredictOptions<O>, 'model'>,
): Run<I, O> {
  if ('effect' in route) return (input, context) => route.effect.effect.run(input, context)
  const model = new MeteredModel(route.model, route.price)
  const work =
    kind === 'direct'
      ? answerInWords(signature, { ...asking, model })
      : predict(signature, { ...asking, ...(maxRepairs !== undefined && { maxRepairs }), model })
  return (input, context, meter) => model.during(meter, () => work.effect.run(input, context))
}

/** Bytes of English text to a token, about. */
const BYTES_PER_TOKEN = 4
/** What a prompt has besides its input. */
const PROMPT_TOKENS = 300

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
