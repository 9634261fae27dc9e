/**
 * Runs a case on a journal and compares it with plain XState.
 *
 * 1. A machine that fails is ended by supervision in its last good state; plain XState shows it broken. So it is compared with
 *    the plain run up to the operation that breaks it, and the failures with each other.
 */
import type { Json } from '../codec.ts'
import { difference, type Sight } from './compare.ts'
import { type Journaling, journaledRun } from './journaled.ts'
import type { Journey } from './journey.ts'
import type { Place } from './place.ts'
import { plainRun } from './plain.ts'
import type { Case, Operation } from './script.ts'

interface Expected {
  readonly sight: Sight
  readonly failure?: string
}

/** Events come to an actor, not to a child of it, from whoever has only its address. */
export function canBeAddressed({ operations }: Case): boolean {
  return !operations.some((operation) => typeof operation === 'object' && 'to' in operation)
}

export async function journaledDifference(
  script: Case,
  place: Place,
  options: Journaling,
): Promise<{ readonly difference: string | undefined; readonly journey?: Journey }> {
  const { sight, failure } = await expected(script)
  try {
    const journey = await journaledRun(script, place, options)
    const { acts: _, ...visible } = sight
    const differs = difference(visible, journey.sight)
    if (failure === undefined || journey.failure?.includes(failure)) return { difference: differs, journey }
    return { difference: `fails with '${failure}' in XState, with '${journey.failure}' here`, journey }
  } catch (error) {
    return { difference: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }
  }
}

async function expected(script: Case): Promise<Expected> {
  const whole = await plainRun(script)
  const failure = failureIn(whole.tree)
  if (failure === undefined) return { sight: whole }
  let good: Sight = { tree: null, emitted: [] }
  const operations = script.operations.flatMap(inTicks)
  for (let n = 0; n < operations.length; n++) {
    const sight = await plainRun({ ...script, operations: operations.slice(0, n) })
    if (failureIn(sight.tree) !== undefined) break
    good = sight
  }
  return { sight: good, failure }
}

function inTicks(operation: Operation): readonly Operation[] {
  return typeof operation === 'number' ? Array.from({ length: operation }, () => 1) : [operation]
}

function failureIn(tree: Json): string | undefined {
  if (fieldOf(tree, 'status') !== 'error') return undefined
  const error = fieldOf(tree, 'error')
  return String(fieldOf(error, 'message') ?? error)
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
