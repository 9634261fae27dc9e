/**
 * The owner of what is known of the routes of one signature, for the whole cluster: `routing/<name or hash of the signature>`.
 *
 * 1. Every choice is a step in its log, with candidates, filters, scores, policy and seed; `select` makes it again from the same state.
 * 2. A pin holds for all nodes until it is taken away, wherever it names one of the routes.
 */
import { defineActor, protocol } from '@troupe/core'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { LONGEST_REST_MS, noEvidence, observe, type RouteEvidence } from './route-evidence.ts'
import { select } from './select.ts'

/** Decisions can be looked up for so long; what is known of the routes is part of the newest state. */
const LOG_MS = 30 * 86_400_000

const name = z.string().min(1).max(200)
const price = z.object({ inPerMillion: z.number(), outPerMillion: z.number() })
const kind = z.enum(['structured', 'direct', 'python', 'mock'])
const flag = z.boolean().optional()
export const routeSays = z.object({
  name,
  kind,
  can: z.object({ tools: flag, images: flag, stream: flag }).optional(),
  contextTokens: z.number().optional(),
  price: price.optional(),
  tags: z.array(name).optional(),
})
export const needsSays = z.object({
  tools: flag,
  images: flag,
  stream: flag,
  promptTokens: z.number(),
  answerTokens: z.number(),
  tags: z.array(name).optional(),
  kinds: z.array(kind).optional(),
  withinMs: z.number().optional(),
  maxUsd: z.number().optional(),
})
export const policySays = z.object({
  order: z.enum(['best', 'escalate']),
  costWeight: z.number(),
  latencyWeight: z.number(),
  explore: z.enum(['never', 'thompson']),
})
const outcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('answered'), quality: z.number(), ms: z.number(), costUsd: z.number().optional() }),
  z.object({ kind: z.literal('failed'), code: z.string(), ms: z.number(), costUsd: z.number().optional() }),
  z.object({
    kind: z.literal('refused'),
    code: z.string(),
    retryAfterMs: z.number().min(0).max(LONGEST_REST_MS).optional(),
  }),
])
const filter = z.enum([
  ...(['kind', 'tools', 'images', 'stream', 'context', 'tags', 'money', 'time', 'resting', 'not pinned'] as const),
])
const score = z.object({
  utility: z.number(),
  quality: z.number(),
  costUsd: z.number(),
  seconds: z.number(),
  outcomes: z.number(),
})
const selection = z.object({
  version: z.number(),
  policy: policySays,
  seed: z.string(),
  pinned: name.nullable(),
  unknownPin: name.optional(),
  candidates: z
    .array(
      z.object({
        route: name,
        filteredBy: filter.optional(),
        why: z.string().optional(),
        restsMs: z.number().optional(),
        score: score.optional(),
      }),
    )
    .readonly(),
  order: z.array(name).readonly(),
})
const evidence = z.object({
  right: z.number(),
  wrong: z.number(),
  outcomes: z.number(),
  logMs: z.object({ mean: z.number(), variance: z.number() }).nullable(),
  costUsd: z.number().nullable(),
  rests: z.object({ untilMs: z.number(), why: z.string() }).nullable(),
})

export const routingSays = protocol('routing', {
  events: {
    choose: z.object({
      routes: z.array(routeSays).min(1).max(100),
      needs: needsSays,
      policy: policySays,
      /** That of the caller; one that was set by `pin` goes before it. */
      pin: name.optional(),
      seed: z.string().max(100),
    }),
    tell: z.object({ outcomes: z.array(z.object({ route: name, outcome })).max(100) }),
    pin: z.object({ route: name.nullable() }),
    evidence: z.object({}),
  },
  replies: {
    choose: selection,
    evidence: z.object({ pinned: name.nullable(), routes: z.record(name, evidence) }),
  },
})

interface RoutingContext {
  readonly pinned: string | null
  readonly evidence: { readonly [route: string]: RouteEvidence }
}

/** While a step runs this is the step's recorded time, not the machine's clock. */
function stepTime(): number {
  return Date.now()
}

const machine = setup({ types: routingSays.types<RoutingContext>() }).createMachine({
  context: { pinned: null, evidence: {} },
  on: {
    choose: {
      actions: routingSays.reply('choose', ({ context: { pinned, evidence }, event: { pin, ...asked } }) =>
        select({ ...asked, pin, evidence, pinned, nowMs: stepTime() }),
      ),
    },
    tell: {
      actions: assign(({ context, event }) => {
        const evidence = { ...context.evidence }
        for (const { route, outcome } of event.outcomes) {
          const before = Object.hasOwn(evidence, route) ? evidence[route] : undefined
          evidence[route] = observe(before ?? noEvidence, outcome, stepTime())
        }
        return { evidence }
      }),
    },
    pin: { actions: assign(({ event }) => ({ pinned: event.route })) },
    evidence: {
      actions: routingSays.reply('evidence', ({ context: { pinned, evidence } }) => ({
        pinned,
        routes: { ...evidence },
      })),
    },
  },
})

/** To be served by the cluster's nodes. */
export const routings = defineActor(routingSays, { logic: machine, retention: { ageMs: LOG_MS } })
