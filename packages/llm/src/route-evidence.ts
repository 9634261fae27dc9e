/**
 * What is known of one route for one signature, from its outcomes: how often it was right, how long it took, what it cost. Plain data,
 * pure functions.
 *
 * 1. What is old counts less: each outcome takes `FADING` of all before it away.
 * 2. A refusal (for the rate, by a breaker, for money) says nothing about quality: the route rests for as long as it says, a day at most.
 * 3. A rest ends with its time alone: a later refusal can only make it longer, and an answer of a call from before it says nothing.
 */
import { seededEntropy } from '@troupe/core'
import { z } from 'zod'

/** The discount of a bandit that follows changes: 66 outcomes weigh two thirds of all. */
const FADING = 0.985
/** Of the newest latency and cost in their averages. */
const NEWEST = 0.1
/** What a refusal without a time is worth. */
const REST_MS = 5_000
/** A provider that asks for more is asked again all the same: it may have confused its units. */
export const LONGEST_REST_MS = 86_400_000

export const evidenceSays = z.object({
  /** Weights of right and wrong outcomes; their sum is the weight of all evidence. */
  right: z.number(),
  wrong: z.number(),
  /** Of all that were ever told. */
  outcomes: z.number(),
  /** Natural logarithm of the milliseconds. */
  logMs: z.object({ mean: z.number(), variance: z.number() }).nullable(),
  costUsd: z.number().nullable(),
  rests: z.object({ untilMs: z.number(), why: z.string() }).nullable(),
})
export type RouteEvidence = Readonly<z.infer<typeof evidenceSays>>

const spent = { ms: z.number(), costUsd: z.number().optional() }
export const outcomeSays = z.discriminatedUnion('kind', [
  /** `quality` from 0 to 1: 1 for an answer that was right at once. */
  z.object({ kind: z.literal('answered'), quality: z.number(), ...spent }),
  z.object({ kind: z.literal('failed'), code: z.string(), ...spent }),
  z.object({
    kind: z.literal('refused'),
    code: z.string(),
    retryAfterMs: z.number().min(0).max(LONGEST_REST_MS).optional(),
  }),
])
export type RouteOutcome = Readonly<z.infer<typeof outcomeSays>>

export const noEvidence: RouteEvidence = { right: 0, wrong: 0, outcomes: 0, logMs: null, costUsd: null, rests: null }

export function observe(before: RouteEvidence, outcome: RouteOutcome, nowMs: number): RouteEvidence {
  if (outcome.kind === 'refused') {
    return { ...before, outcomes: before.outcomes + 1, rests: longer(resting(before, nowMs), outcome, nowMs) }
  }
  const quality = outcome.kind === 'answered' ? Math.min(1, Math.max(0, outcome.quality)) : 0
  return {
    right: before.right * FADING + quality,
    wrong: before.wrong * FADING + 1 - quality,
    outcomes: before.outcomes + 1,
    logMs: logOf(before.logMs, Math.log(Math.max(1, outcome.ms))),
    costUsd: outcome.costUsd === undefined ? before.costUsd : averaged(before.costUsd, outcome.costUsd),
    rests: resting(before, nowMs),
  }
}

type Rest = RouteEvidence['rests']

export function resting({ rests }: RouteEvidence, nowMs: number): Rest {
  return rests !== null && rests.untilMs > nowMs ? rests : null
}

function longer(
  before: Rest,
  { code, retryAfterMs = REST_MS }: Extract<RouteOutcome, { kind: 'refused' }>,
  nowMs: number,
): Rest {
  const untilMs = nowMs + Math.min(retryAfterMs, LONGEST_REST_MS)
  return before !== null && before.untilMs >= untilMs ? before : { untilMs, why: code }
}

function averaged(before: number | null, value: number): number {
  return before === null ? value : before + NEWEST * (value - before)
}

/** Mean and variance that follow, after West (1979) with a constant weight. */
function logOf(before: RouteEvidence['logMs'], value: number): RouteEvidence['logMs'] {
  if (before === null) return { mean: value, variance: 0 }
  const off = value - before.mean
  return {
    mean: before.mean + NEWEST * off,
    variance: (1 - NEWEST) * (before.variance + NEWEST * off * off),
  }
}

/** Of a log-normal distribution; undefined without evidence. */
export function expectedMs({ logMs }: RouteEvidence): number | undefined {
  return logMs === null ? undefined : Math.exp(logMs.mean + logMs.variance / 2)
}

/** What is believed before anything is known: more right than wrong, with the weight of three outcomes. */
const PRIOR = { right: 2, wrong: 1 }

export function expectedQuality({ right, wrong }: RouteEvidence): number {
  return (right + PRIOR.right) / (right + wrong + PRIOR.right + PRIOR.wrong)
}

/** A draw from what the quality may be, so that what is little known is sometimes tried (Thompson). The same seed draws the same. */
export function drawnQuality({ right, wrong }: RouteEvidence, seed: string): number {
  const { random } = seededEntropy(seed)
  const [a, b] = [gamma(right + PRIOR.right, random), gamma(wrong + PRIOR.wrong, random)]
  return a / (a + b)
}

/** Marsaglia and Tsang (2000), for a shape of at least 1. */
function gamma(shape: number, random: () => number): number {
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = normal(random)
    const v = (1 + c * x) ** 3
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
  }
}

/** Box and Muller (1958). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
