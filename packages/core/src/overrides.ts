/**
 * What runs in the place of effects, in one system only: found by the effect itself or by its name. Empty in production;
 * tests fill it (`withMockedService`).
 *
 * 1. It is looked up at every run, invoked and nested alike: what is put or taken back counts from the next run on.
 * 2. Class, id, record and supervision stay those of the effect; only the work is another.
 */
import type { EffectContext } from './effect.ts'

export type EffectRun<I, O> = (input: I, context: EffectContext) => Promise<O>

/** `original` is what the effect itself would have done. */
export type TypedOverride<I, O> = (
  input: I,
  context: EffectContext,
  original: (input: I) => Promise<O>,
) => O | Promise<O>

/** As a method, so that its parameters may be narrower: a name alone does not tell what the effect's input is. */
export type EffectOverride = {
  run(input: unknown, context: EffectContext, original: (input: unknown) => Promise<unknown>): unknown
}['run']

export type EffectOverrides = Readonly<Record<string, EffectOverride>>

/** One effect alone, also among others of its name. */
export interface OverrideOf {
  readonly of: Declared
  readonly run: EffectOverride
}

interface Declared {
  readonly name: string
}

export class Overrides {
  /** Newest last. Each is taken back by itself, in any order. */
  readonly #layers: ((of: Declared) => EffectOverride | undefined)[]

  constructor(given: EffectOverrides = {}) {
    this.#layers = [layerOf(given)]
  }

  /** @returns takes them back: what was there before is in place again */
  put(given: EffectOverrides | readonly OverrideOf[]): () => void {
    const layer = layerOf(given)
    this.#layers.push(layer)
    return () => {
      const at = this.#layers.indexOf(layer)
      if (at >= 0) this.#layers.splice(at, 1)
    }
  }

  /** What runs for this effect: the newest override, else `run`. */
  instead<I, O>(of: Declared, run: EffectRun<I, O>): EffectRun<I, O>
  instead(of: Declared, run: EffectRun<unknown, unknown>): EffectRun<unknown, unknown> {
    for (const find of this.#layers.toReversed()) {
      const override = find(of)
      if (override !== undefined)
        return async (input, context) => override(input, context, (given) => run(given, context))
    }
    return run
  }
}

function layerOf(given: EffectOverrides | readonly OverrideOf[]): (of: Declared) => EffectOverride | undefined {
  if (isList(given)) return (of) => given.find((override) => override.of === of)?.run
  const byName = new Map(Object.entries(given))
  return ({ name }) => byName.get(name)
}

function isList(given: EffectOverrides | readonly OverrideOf[]): given is readonly OverrideOf[] {
  return Array.isArray(given)
}
