/**
 * A configured model as the nodes of one cluster share it: asked again after failures by chance, paid from one purse, within one gate.
 *
 *     retried( charged( limited( client )))
 *
 * 1. All its calls in the cluster keep one budget, one set of limits and one breaker, whichever node makes them. The nodes serve `gates`
 *    and `purses`. A new key has limits and a breaker of its own, and spends from the same purse.
 * 2. Limits that were not configured are learned from the provider's headers.
 * 3. The stand-in costs nothing and limits nothing: it is asked as it is.
 */
import type { EffectRuntime } from '@troupe/core'
import { usdOf } from './budget.ts'
import type { ConfiguredModel } from './configured.ts'
import { limited, modelGate } from './limited.ts'
import type { Model } from './model.ts'
import { charged, purse } from './purse.ts'
import { retried } from './retried.ts'

export function inCluster(configured: ConfiguredModel, runtime: EffectRuntime): Model {
  const { model, account, limits = {}, budget } = configured
  if (budget === undefined) return model
  const { clock, entropy } = runtime
  const money = purse(configured.purse, { limitUsd: usdOf(budget.limitNanoUsd) })
  const within = limited(model, modelGate(account, limits).in(runtime), clock)
  return retried(charged(within, money.in(runtime), budget.price), { clock, entropy })
}
