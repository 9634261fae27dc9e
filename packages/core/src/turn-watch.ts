/**
 * Tells an observer of one resident's turns, and of the effects that its steps begin and end. Made only when there is an observer.
 *
 * 1. Effects are timed from commit to commit in this incarnation; one that an earlier incarnation began has no duration. One that
 *    supervision begins again is timed from its failure on.
 */
import type { Address } from './address.ts'
import type { Observer } from './observer.ts'
import type { Clock } from './ports.ts'
import type { Step } from './step.ts'

export class TurnWatch {
  readonly #observer: Observer
  readonly #clock: Clock
  readonly #type: string
  #since: number | undefined
  /** Effects that run, by their place in the tree. */
  readonly #begun = new Map<string, { readonly name: string; readonly at: number }>()

  constructor(observer: Observer, clock: Clock, address: Address) {
    this.#observer = observer
    this.#clock = clock
    this.#type = address.slice(0, address.indexOf('/'))
  }

  /** A turn begins, or takes a message that arrived before. @param at monotonic */
  takes(at = this.#clock.monotonic()): void {
    this.#since = Math.min(this.#since ?? at, at)
  }

  committed(steps: readonly Step[]): void {
    const now = this.#clock.monotonic()
    const tookMs = now - (this.#since ?? now)
    this.#since = undefined
    if (steps.length === 0) return
    this.#observer.turned({ type: this.#type, steps, tookMs })
    for (const step of steps) this.#follow(step, now)
  }

  #follow({ input, outcome, effect, made }: Step, now: number): void {
    if (effect !== undefined && (input.kind === 'effect.done' || input.kind === 'effect.error')) {
      const at = this.#begun.get(input.from)?.at
      if (outcome === 'error') this.#begun.set(input.from, { name: effect.name, at: now })
      else this.#begun.delete(input.from)
      const how = input.kind === 'effect.done' ? 'ok' : 'failed'
      this.#observer.effectEnded({ name: effect.name, outcome: how, tookMs: at === undefined ? undefined : now - at })
    }
    // Another tree stands in the place of the old one.
    const isNew = 'init' in input && input.init !== undefined
    for (const path of isNew ? [...this.#begun.keys()] : (made?.stopped ?? [])) {
      const stopped = this.#begun.get(path)
      if (!this.#begun.delete(path) || stopped === undefined) continue
      this.#observer.effectEnded({ name: stopped.name, outcome: 'stopped', tookMs: now - stopped.at })
    }
    for (const { path, src, effect: born } of made?.children ?? []) {
      if (born !== undefined) this.#begun.set(path, { name: born.name ?? src, at: now })
    }
  }
}
