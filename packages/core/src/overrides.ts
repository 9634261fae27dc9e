/**
 * What runs in the place of an effect, by the effect's name, in one system only. Empty in production; tests fill it
 * (`withMockedService`).
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

export class Overrides {
  /** Newest last. Each is taken back by itself, in any order. */
  readonly #layers: EffectOverrides[]

  constructor(given: EffectOverrides = {}) {
    this.#layers = [given]
  }

  /** @returns takes them back: what was there before is in place again */
  put(given: EffectOverrides): () => void {
    const layer = { ...given }
    this.#layers.push(layer)
    return () => {
      const at = this.#layers.indexOf(layer)
      if (at >= 0) this.#layers.splice(at, 1)
    }
  }

  /** What runs under this name: the newest override, else `run`. */
  instead<I, O>(name: string, run: EffectRun<I, O>): EffectRun<I, O>
  instead(name: string, run: EffectRun<unknown, unknown>): EffectRun<unknown, unknown> {
    const override = this.#layers.findLast((layer) => Object.hasOwn(layer, name))?.[name]
    if (override === undefined) return run
    return async (input, context) => override(input, context, (given) => run(given, context))
  }
}
