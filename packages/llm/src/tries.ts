/**
 * The calls of a model that one effect makes, as the effect's record has them.
 *
 * 1. Every call is there, how ever it ended, with its own tokens and its own times of the effect's clock; unknown is not zero.
 * 2. After an abort the model is not asked.
 */
import type { EffectContext } from '@troupe/core'
import { abortError, type Model, type ModelAnswer, ModelError, type ModelRequest, type Usage } from './model.ts'

export interface Try {
  /** How it was asked for JSON. */
  readonly format?: string
  /** Wall clock. */
  readonly startMs?: number
  readonly endMs?: number
  readonly usage?: Usage
  readonly costUsd?: number
  /** What was wrong with the answer. */
  readonly faults?: readonly string[]
  readonly error?: string
}

export class Tries {
  readonly #model: Model
  readonly #context: EffectContext
  readonly #tell: (tries: readonly Try[]) => void
  readonly #tries: Try[] = []

  constructor(model: Model, context: EffectContext, tell: (tries: readonly Try[]) => void) {
    this.#model = model
    this.#context = context
    this.#tell = tell
  }

  get count(): number {
    return this.#tries.length
  }

  /** @throws what the model threw */
  async ask<T extends { readonly faults?: readonly string[] | undefined }>(
    request: ModelRequest,
    about: Pick<Try, 'format'>,
    onText: ((delta: string) => void) | undefined,
    judge: (answer: ModelAnswer) => T,
  ): Promise<T & { readonly answer: ModelAnswer }> {
    const { signal, runtime } = this.#context
    if (signal.aborted) throw abortError(signal)
    const clock = runtime?.clock
    const startMs = clock?.now()
    const times = () => (clock === undefined || startMs === undefined ? {} : { startMs, endMs: clock.now() })
    let answer: ModelAnswer
    try {
      answer = await this.#model.complete(request, { signal, onText })
    } catch (error) {
      this.#add({ ...about, ...times(), error: error instanceof ModelError ? error.code : String(error) })
      throw error
    }
    const judged = judge(answer)
    const { usage, costUsd } = answer
    const { faults } = judged
    this.#add({
      ...about,
      ...times(),
      ...(usage && { usage }),
      ...(costUsd !== undefined && { costUsd }),
      ...(faults && { faults }),
    })
    return { ...judged, answer }
  }

  #add(tried: Try): void {
    this.#tries.push(tried)
    this.#tell([...this.#tries])
  }
}
