/**
 * Effects replaced for one test: `withMockedService({ actors }, { charge: async (input) => … }, async (system) => …)`.
 *
 * 1. A mock counts in one system. Other systems of the process, of the namespace and of the machine do not see it, so tests
 *    with conflicting mocks may run at once.
 * 2. What the mock returns is recorded and delivered as the effect's own result would be; what it throws, as its failure.
 * 3. When `use` has ended the mocks are gone, and a system that was made here has been drained.
 *
 * Only effects have a name to be found by. A bare `fromPromise` is replaced with XState's `machine.provide`; actors of other
 * node processes run their own effects.
 */
import type { Effect } from '../effect.ts'
import { LogicRefused } from '../errors.ts'
import type { EffectOverride, EffectOverrides, TypedOverride } from '../overrides.ts'
import { createSystem, type System, type SystemOptions } from '../system.ts'

export interface Mock {
  readonly name: string
  readonly run: EffectOverride
}

/** A mock whose input and output are checked against the effect. Every effect of that name is replaced. */
export function mock<I, O>(effect: Effect<I, O>, run: TypedOverride<I, O>): Mock {
  return { name: effect.effect.name, run }
}

/** @param where a running system, or the options of one that lives as long as `use` runs */
export async function withMockedService<T>(
  where: System | SystemOptions,
  mocks: EffectOverrides | readonly Mock[],
  use: (system: System) => T | Promise<T>,
): Promise<T> {
  const overrides = isList(mocks) ? Object.fromEntries(mocks.map(({ name, run }) => [name, run])) : mocks
  if ('runtime' in where) return whileMocked(where, overrides, use)
  await using system = await createSystem(where)
  return await whileMocked(system, overrides, use)
}

async function whileMocked<T>(
  system: System,
  overrides: EffectOverrides,
  use: (system: System) => T | Promise<T>,
): Promise<T> {
  const { effects } = system.runtime
  if (effects === undefined) throw new LogicRefused('only a system made by createSystem has a place for mocks')
  const takeBack = effects.put(overrides)
  try {
    return await use(system)
  } finally {
    takeBack()
  }
}

function isList(mocks: EffectOverrides | readonly Mock[]): mocks is readonly Mock[] {
  return Array.isArray(mocks)
}
