/**
 * Which route answers: hard filters first, then the class that fits the signature, then utility from evidence. Pure: with the same
 * evidence, needs and seed it selects the same, so a decision that was recorded can be made again.
 *
 *     utility = quality − costWeight · US dollars − latencyWeight · seconds
 *
 * 1. No utility makes up for a filter: who cannot do what is needed is not asked, and the selection says why.
 * 2. A pinned route is the only one, if no filter stands against it. A pin of a route that nobody declared pins nothing, and is said.
 * 3. Without evidence the price and the order of declaration decide.
 */
import { z } from 'zod'
import { drawnQuality, expectedMs, expectedQuality, noEvidence, type RouteEvidence, resting } from './route-evidence.ts'

export const routeName = z.string().min(1).max(200)
const flag = z.boolean().optional()
const names = z.array(routeName).readonly().optional()

/** How a route answers: JSON by a schema, one plain string, a program in a Python worker, a script of a test. */
const kind = z.enum(['structured', 'direct', 'python', 'mock'])
export type RouteKind = z.infer<typeof kind>

export const MOST_ROUTES = 100

export const routeSays = z.object({
  name: routeName,
  kind,
  /** @defaultValue all but tools and images */
  can: z.object({ tools: flag, images: flag, stream: flag }).readonly().optional(),
  /** Of prompt and answer together. @defaultValue any number */
  contextTokens: z.number().optional(),
  price: z.object({ inPerMillion: z.number(), outPerMillion: z.number() }).readonly().optional(),
  /** Where data may go: `eu`, `on-premises`. */
  tags: names,
})
export type RouteFacts = Readonly<z.infer<typeof routeSays>>

export const needsSays = z.object({
  tools: flag,
  images: flag,
  stream: flag,
  /** Estimates. */
  promptTokens: z.number(),
  answerTokens: z.number(),
  /** All of them. */
  tags: names,
  /** Of these kinds only. @defaultValue all but mocks */
  kinds: z.array(kind).readonly().optional(),
  /** What a usual answer of the route may take. */
  withinMs: z.number().optional(),
  /** What the call may cost. */
  maxUsd: z.number().optional(),
})
export type Needs = Readonly<z.infer<typeof needsSays>>

export const policySays = z.object({
  /** `best`: by utility. `escalate`: the cheapest first, the next one when its answer is not good enough. */
  order: z.enum(['best', 'escalate']),
  /** Utility that a US dollar costs: 1 is the difference between always right and always wrong. */
  costWeight: z.number(),
  /** Per second. */
  latencyWeight: z.number(),
  /** `thompson` tries what is little known now and then. */
  explore: z.enum(['never', 'thompson']),
})
export type Policy = Readonly<z.infer<typeof policySays>>

export const POLICY: Policy = { order: 'best', costWeight: 10, latencyWeight: 0.01, explore: 'never' }
/** Of the rules of this file: a decision of another version may not come out the same. */
export const POLICY_VERSION = 2

const filter = z.enum([
  ...(['kind', 'tools', 'images', 'stream', 'context', 'tags', 'money', 'time', 'resting', 'not pinned'] as const),
])
export type Filter = z.infer<typeof filter>

const candidate = z.object({
  route: routeName,
  filteredBy: filter.optional(),
  /** In words, with figures. */
  why: z.string().optional(),
  /** Until it can be asked again, for one that rests. */
  restsMs: z.number().optional(),
  score: z
    .object({
      utility: z.number(),
      quality: z.number(),
      costUsd: z.number(),
      seconds: z.number(),
      /** Outcomes that it is from. */
      outcomes: z.number(),
    })
    .optional(),
})
type Candidate = Readonly<z.infer<typeof candidate>>

export const selectionSays = z.object({
  version: z.number(),
  policy: policySays,
  seed: z.string(),
  pinned: routeName.nullable(),
  /** Pinned by the operator, and none of the routes. */
  unknownPin: routeName.optional(),
  candidates: z.array(candidate).readonly(),
  /** In which they are to be asked; empty when none is left. */
  order: z.array(routeName).readonly(),
})
export type Selection = Readonly<z.infer<typeof selectionSays>>

export interface Selecting {
  readonly routes: readonly RouteFacts[]
  readonly evidence: { readonly [route: string]: RouteEvidence }
  readonly needs: Needs
  readonly policy: Policy
  /** By the operator, for all. */
  readonly pinned: string | null
  /** By the caller. */
  readonly pin?: string | undefined
  readonly seed: string
  readonly nowMs: number
}

export function select({
  routes,
  evidence,
  needs,
  policy,
  pinned: byOperator,
  pin,
  seed,
  nowMs,
}: Selecting): Selection {
  const isUnknown = byOperator !== null && !routes.some(({ name }) => name === byOperator)
  const pinned = (isUnknown ? null : byOperator) ?? pin ?? null
  const known = (route: RouteFacts) =>
    (Object.hasOwn(evidence, route.name) ? evidence[route.name] : undefined) ?? noEvidence
  const costs = expectations(routes.map((route) => costOf(route, known(route), needs)))
  const times = expectations(routes.map((route) => secondsOf(known(route))))
  const candidates = routes.map((route, n): Candidate => {
    const of = known(route)
    const [costUsd, seconds] = [costs[n] ?? 0, times[n] ?? 0]
    const filter = filterOf(route, of, needs, pinned, nowMs)
    if (filter !== undefined) return { route: route.name, ...filter }
    const quality = policy.explore === 'never' ? expectedQuality(of) : drawnQuality(of, `${seed}/${route.name}`)
    const utility = quality - policy.costWeight * costUsd - policy.latencyWeight * seconds
    return { route: route.name, score: { utility, quality, costUsd, seconds, outcomes: of.outcomes } }
  })
  const able = candidates.flatMap(({ route, score }) => (score === undefined ? [] : [{ route, score }]))
  // Sorting is stable: among equals the order of declaration stays.
  const ordered = able.toSorted((a, b) =>
    policy.order === 'escalate' ? a.score.costUsd - b.score.costUsd : b.score.utility - a.score.utility,
  )
  return {
    ...{ version: POLICY_VERSION, policy, seed, pinned, candidates, order: ordered.map(({ route }) => route) },
    ...(isUnknown && { unknownPin: byOperator }),
  }
}

function filterOf(
  route: RouteFacts,
  evidence: RouteEvidence,
  needs: Needs,
  pinned: string | null,
  nowMs: number,
): Omit<Candidate, 'route'> | undefined {
  const { kind, can = {}, contextTokens = Infinity, tags = [] } = route
  const stopped = (filteredBy: Filter, why: string) => ({ filteredBy, why })
  if (pinned !== null && pinned !== route.name) return stopped('not pinned', `'${pinned}' is pinned`)
  if (needs.kinds !== undefined && !needs.kinds.includes(kind)) return stopped('kind', `it is ${kind}`)
  if (kind === 'mock' && needs.kinds === undefined) return stopped('kind', 'it is a mock, and nobody asked for one')
  if (needs.tools && !can.tools) return stopped('tools', 'it cannot call tools')
  if (needs.images && !can.images) return stopped('images', 'it reads no images')
  if (needs.stream && can.stream === false) return stopped('stream', 'it does not stream')
  const tokens = needs.promptTokens + needs.answerTokens
  if (tokens > contextTokens) return stopped('context', `about ${tokens} tokens do not fit into ${contextTokens}`)
  const missing = needs.tags?.find((tag) => !tags.includes(tag))
  if (missing !== undefined) return stopped('tags', `it is not '${missing}'`)
  const rests = resting(evidence, nowMs)
  if (rests !== null) {
    const restsMs = rests.untilMs - nowMs
    return { ...stopped('resting', `it said ${rests.why}, for another ${restsMs} ms`), restsMs }
  }
  const costUsd = costOf(route, evidence, needs)
  if (needs.maxUsd !== undefined && costUsd !== undefined && costUsd > needs.maxUsd) {
    return stopped('money', `about ${costUsd.toPrecision(2)} USD of ${needs.maxUsd}`)
  }
  const ms = expectedMs(evidence)
  if (needs.withinMs !== undefined && ms !== undefined && ms > needs.withinMs) {
    return stopped('time', `about ${Math.round(ms)} ms of ${needs.withinMs}`)
  }
  return undefined
}

function costOf(
  { price }: RouteFacts,
  { costUsd }: RouteEvidence,
  { promptTokens, answerTokens }: Needs,
): number | undefined {
  if (costUsd !== null) return costUsd
  return price && (promptTokens * price.inPerMillion + answerTokens * price.outPerMillion) / 1e6
}

function secondsOf(evidence: RouteEvidence): number | undefined {
  const ms = expectedMs(evidence)
  return ms === undefined ? undefined : ms / 1_000
}

/** What nobody knows is taken for the mean of what is known of the others, which decides nothing. */
function expectations(values: readonly (number | undefined)[]): readonly number[] {
  const known = values.filter((value) => value !== undefined)
  const mean = known.length === 0 ? 0 : known.reduce((sum, value) => sum + value, 0) / known.length
  return values.map((value) => value ?? mean)
}

/** For people. */
export function explain({ policy, pinned, unknownPin, candidates, order }: Selection): string {
  const lines = candidates.map(({ route, why, score }) => {
    if (score === undefined) return `${route}: not asked, ${why}`
    const { utility, quality, costUsd, seconds, outcomes } = score
    const place = order.indexOf(route) + 1
    return (
      `${route}: ${place}. of ${order.length}, utility ${utility.toFixed(3)} = quality ${quality.toFixed(3)} − ` +
      `${costUsd.toPrecision(2)} USD · ${policy.costWeight} − ${seconds.toPrecision(2)} s · ${policy.latencyWeight}, ` +
      `from ${outcomes} outcomes`
    )
  })
  const how =
    pinned !== null ? `pinned to '${pinned}'` : policy.order === 'best' ? 'the best first' : 'the cheapest first'
  const explores = policy.explore === 'thompson' ? ', with chance for what is little known' : ''
  const unknown = unknownPin === undefined ? '' : `; '${unknownPin}' is pinned for all, and none of the routes`
  return [`${how}${explores}${unknown}`, ...lines].join('\n')
}
