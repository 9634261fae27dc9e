/**
 * The owner of what is known of the routes of one signature, for the whole cluster: `routing/<name or hash of the signature>`.
 *
 * 1. Every choice is a step in its log, with candidates, filters, scores, policy and seed; `select` makes it again from the same state.
 * 2. A pin holds for all nodes until it is taken away, wherever it names one of the routes.
 */
import { defineActor, protocol, stepTime } from '@troupe/core'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { evidenceSays, noEvidence, observe, outcomeSays, type RouteEvidence } from './route-evidence.ts'
import { MOST_ROUTES, needsSays, policySays, routeName, routeSays, select, selectionSays } from './select.ts'

/** Decisions can be looked up for so long; what is known of the routes is part of the newest state. */
const LOG_MS = 30 * 86_400_000

export const routingSays = protocol('routing', {
  events: {
    choose: z.object({
      routes: z.array(routeSays).min(1).max(MOST_ROUTES),
      needs: needsSays,
      policy: policySays,
      /** That of the caller; one that was set by `pin` goes before it. */
      pin: routeName.optional(),
      seed: z.string().max(100),
    }),
    tell: z.object({ outcomes: z.array(z.object({ route: routeName, outcome: outcomeSays })).max(MOST_ROUTES) }),
    pin: z.object({ route: routeName.nullable() }),
    evidence: z.object({}),
  },
  replies: {
    choose: selectionSays,
    evidence: z.object({ pinned: routeName.nullable(), routes: z.record(routeName, evidenceSays) }),
  },
})

interface RoutingContext {
  readonly pinned: string | null
  readonly evidence: { readonly [route: string]: RouteEvidence }
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
