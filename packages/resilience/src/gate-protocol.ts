/**
 * What is said to a gate: one actor before all calls of one account (provider, key and model), wherever they begin.
 *
 *   draw      an allowance for one or more calls, which its holder then uses without asking again
 *   report    what became of allowances, what the provider said; also part of every draw
 */
import { protocol } from '@troupe/core'
import { z } from 'zod'

/** No wait that a provider asks for is longer; what says so is nonsense. */
export const LONGEST_WAIT_MS = 86_400_000
const waitMs = z.number().min(0).max(LONGEST_WAIT_MS)
const amounts = z.record(z.string(), z.int().min(0))
const limit = z.object({
  cap: z.int().min(0),
  windowMs: z.number().min(0).optional(),
  burst: z.number().positive().optional(),
  lagMs: z.number().min(0).optional(),
  counted: z.enum(['start', 'end']).optional(),
})
const breaker = z.object({
  windowMs: z.number().positive(),
  leastCalls: z.int().min(1),
  ratio: z.number().min(0).max(1),
  restMs: z.number().positive(),
  longestRestMs: z.number().positive(),
  probeMs: z.number().positive(),
})
const terms = z.object({ limits: z.record(z.string(), limit), breaker: breaker.optional() })

/** All counts are sums since the allowance was granted, so what is said twice is said once. */
const entry = z.object({
  id: z.int(),
  /** It is closed: no further call begins with it, and so much of it is in use. */
  spent: amounts.optional(),
  /** The last of its calls has ended, and so much was used. */
  used: amounts.optional(),
  succeeded: z.int().min(0),
  failed: z.int().min(0),
})
const told = z.object({
  retryAfterMs: waitMs.optional(),
  limits: z.record(
    z.string(),
    z.object({ cap: z.number().optional(), remaining: z.number().optional(), resetMs: z.number().optional() }),
  ),
})
const report = z.object({
  entries: z.array(entry).max(1_000),
  told: told.optional(),
  /** The provider has refused a call for its rate, and asks for this pause. */
  drainMs: waitMs.optional(),
})

const holder = z.string().min(1).max(200)
const closedMs = z.number().min(0)

export const gateSays = protocol('gate', {
  events: {
    draw: z.object({
      holder,
      /** The newest allowance that it has heard of; a later one of its own is one whose answer was lost. */
      newest: z.int().min(0),
      terms,
      calls: z.int().min(1).max(1_000),
      /** For the first of them. */
      least: amounts,
      /** For all of them. */
      most: amounts,
      report,
    }),
    report: z.object({ holder, report }),
    state: z.object({}),
    /** Lets calls through again, whatever the provider has asked for and told, and closes the breaker. */
    reopen: z.object({}),
  },
  replies: {
    draw: z.discriminatedUnion('kind', [
      /** To be used within `forMs` of the question. */
      z.object({ kind: z.literal('granted'), id: z.int(), calls: z.int(), amounts, forMs: z.number() }),
      /** Come again after that; `atLeastMs` when it is known that there will be no room before. */
      z.object({
        kind: z.literal('later'),
        afterMs: z.number(),
        atLeastMs: z.number().optional(),
        limit: z.string().optional(),
      }),
      z.object({ kind: z.literal('open'), retryAfterMs: z.number().optional() }),
      z.object({ kind: z.literal('never'), limit: z.string(), cost: z.number(), cap: z.number(), why: z.string() }),
    ]),
    /** For so long no call shall begin, not even with an allowance that is held. */
    report: z.object({ closedMs }),
    state: z.object({
      breaker: z.enum(['closed', 'open', 'halfOpen', 'none']),
      /** What could be taken of each limit if its pace allowed it. */
      rooms: z.record(z.string(), z.number()),
      closedMs,
      holders: z.int(),
      allowances: z.int(),
      waiting: z.int(),
    }),
  },
})

export type Terms = z.infer<typeof terms>
export type BreakerTerms = z.infer<typeof breaker>
export type Entry = z.infer<typeof entry>
export type Report = z.infer<typeof report>
export type Draw = z.infer<typeof gateSays.events.draw>
export type Drawn = z.infer<typeof gateSays.replies.draw>
export type GateStatus = z.infer<typeof gateSays.replies.state>
