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
import type { EffectOverrides, OverrideOf, TypedOverride } from '../overrides.ts'
import { createSystem, type System, type SystemOptions } from '../system.ts'

export type Mock = OverrideOf

/** A mock of this one effect, whose input and output are checked against it. */
export function mock<I, O>({ effect }: Effect<I, O>, run: TypedOverride<I, O>): Mock {
  return { of: effect, run }
}

/**
 * @param where a running system, or the options of one that lives as long as `use` runs
 * @param mocks by name, every effect of that name; or a list of `mock(effect, …)`
 */
export async function withMockedService<T>(
  where: System | SystemOptions,
  mocks: EffectOverrides | readonly Mock[],
  use: (system: System) => T | Promise<T>,
): Promise<T> {
  if ('runtime' in where) return whileMocked(where, mocks, use)
  await using system = await createSystem(where)
  return await whileMocked(system, mocks, use)
}

async function whileMocked<T>(
  system: System,
  mocks: EffectOverrides | readonly Mock[],
  use: (system: System) => T | Promise<T>,
): Promise<T> {
  const { effects } = system.runtime
  if (effects === undefined) throw new LogicRefused('only a system made by createSystem has a place for mocks')
  const takeBack = effects.put(mocks)
  try {
    return await use(system)
  } finally {
    takeBack()
  }
}
