/**
 * The routes of a signature as they are declared, and as their owner is told of them.
 *
 * 1. What the owner could not take is refused here, by its name: a routing that refuses each question would choose nothing.
 */
import { type Effect, InvalidEvent, LogicRefused } from '@troupe/core'
import { z } from 'zod'
import type { Model } from './model.ts'
import {
  MOST_ROUTES,
  type Needs,
  needsSays,
  type Policy,
  policySays,
  type RouteFacts,
  type RouteKind,
  routeSays,
} from './select.ts'

/** One way to an answer: a model, or an effect of the same signature, as `pool.predict(signature)` makes one. */
export type Route<I, O> = Omit<RouteFacts, 'kind'> &
  (
    | { readonly model: Model; readonly kind?: 'structured' | 'direct' | 'mock' }
    | { readonly effect: Effect<I, O>; readonly kind?: 'python' | 'mock' }
  )

export function factsOf<I, O>(route: Route<I, O>, usual: RouteKind): RouteFacts {
  const { name, can, contextTokens, price, tags, kind = 'effect' in route ? 'python' : usual } = route
  return {
    name,
    kind,
    ...(can && { can }),
    ...(isLimit(contextTokens) && { contextTokens }),
    ...(price && { price }),
    ...(tags && { tags }),
  }
}

/** Without an end is as good as not given. */
function isLimit(value: number | undefined): value is number {
  return value !== undefined && value !== Number.POSITIVE_INFINITY
}

/** @throws InvalidEvent */
export function checkedNeeds(name: string, { withinMs, maxUsd, ...needs }: Needs): Needs {
  const limits = { ...(isLimit(withinMs) && { withinMs }), ...(isLimit(maxUsd) && { maxUsd }) }
  const result = needsSays.safeParse({ ...needs, ...limits })
  if (result.success) return result.data
  throw new InvalidEvent(`what ${name} needs cannot be: ${z.prettifyError(result.error)}`)
}

/** @throws LogicRefused */
export function checkDeclared(
  name: string,
  {
    facts,
    policy,
    pin,
  }: { readonly facts: readonly RouteFacts[]; readonly policy: Policy; readonly pin?: string | undefined },
): void {
  const names = new Set(facts.map((route) => route.name))
  if (facts.length === 0) throw new LogicRefused(`${name} has no routes`)
  if (facts.length > MOST_ROUTES) throw new LogicRefused(`${name} has ${facts.length} routes of at most ${MOST_ROUTES}`)
  if (names.size < facts.length) throw new LogicRefused(`${name}: two routes have the same name`)
  if (pin !== undefined && !names.has(pin)) throw new LogicRefused(`${name}: '${pin}' is pinned and no route`)
  for (const route of facts) {
    if (route.name in {}) throw new LogicRefused(`${name}: a route cannot have the name '${route.name}'`)
    const result = routeSays.safeParse(route)
    if (!result.success) throw new LogicRefused(`${name}: route '${route.name}': ${z.prettifyError(result.error)}`)
  }
  const result = policySays.safeParse(policy)
  if (!result.success) throw new LogicRefused(`${name}: its policy: ${z.prettifyError(result.error)}`)
}
