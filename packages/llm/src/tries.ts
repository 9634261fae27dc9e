/**
 * The calls of a model that one effect makes, as the effect's record has them.
 *
 * 1. Every call is there, how ever it ended, with its own tokens and its own times of the effect's clock; unknown is not zero.
 * 2. The newest use of a model is on top, by when its first call ended; those before it under the same names are under `earlier`,
 *    oldest first, at most `EARLIER`: then `dropped` says how many have gone. Most effects use a model once, and have no `earlier`.
 * 3. After an abort the model is not asked.
 */
import type { EffectContext, Shared } from '@troupe/core'
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

/** A record shares one journal entry with the whole step. */
const EARLIER = 20

interface Kept {
  readonly uses: Tries[]
  dropped: number
}

/**
 * Of each run on one node, by what it tells its record to, which all contexts made from that of the run have in common. A use may come
 * from an effect that was declared for it alone, so no effect could keep them; they go with their run.
 */
class Runs implements Shared {
  readonly #runs = new WeakMap<EffectContext['evidence'], Map<string, Kept>>()

  of(evidence: EffectContext['evidence']): Map<string, Kept> {
    const run = this.#runs.get(evidence) ?? new Map<string, Kept>()
    this.#runs.set(evidence, run)
    return run
  }

  close(): void {}
}

export class Tries {
  readonly #model: Model
  readonly #context: EffectContext
  readonly #key: string
  readonly #about: object
  readonly #tries: Try[] = []

  /** @param about what else its record says */
  constructor(model: Model, context: EffectContext, effect: string, about: object = {}) {
    this.#model = model
    this.#context = context
    this.#key = `${effect}@${model.name}`
    this.#about = about
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
    const { evidence } = this.#context
    const kept = this.#kept()
    const { dropped } = kept
    const earlier = kept.uses.map((use) => use.#record())
    const last = earlier.pop()
    evidence({ [this.#key]: { ...last, ...(earlier.length > 0 && { earlier }), ...(dropped > 0 && { dropped }) } })
  }

  /** With this use among them, if it has just begun. */
  #kept(): Kept {
    const { evidence, runtime } = this.#context
    // Without a system there is no record, and nobody to be told of the uses before.
    const run = runtime?.shared(Runs, 'model calls').of(evidence) ?? new Map<string, Kept>()
    const kept = run.get(this.#key) ?? { uses: [], dropped: 0 }
    run.set(this.#key, kept)
    if (this.#tries.length > 1) return kept
    kept.uses.push(this)
    if (kept.uses.length > EARLIER + 1) {
      kept.uses.shift()
      kept.dropped += 1
    }
    return kept
  }

  #record(): object {
    return { provider: this.#model.provider, ...this.#about, tries: [...this.#tries] }
  }
}
