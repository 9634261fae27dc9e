/**
 * Parts of a tree that rest after a failure, until supervision lets them begin again. Nothing of it is stored: after a crash
 * whatever was resting begins at once.
 */
import type { Clock, Timer } from './ports.ts'
import type { Revive } from './step-maker.ts'

export class Rests {
  readonly #clock: Clock
  readonly #onOver: (paths: readonly string[]) => void
  /** By the first path of the part. */
  readonly #parts = new Map<string, Revive & { readonly timer: Timer }>()

  constructor(clock: Clock, onOver: (paths: readonly string[]) => void) {
    this.#clock = clock
    this.#onOver = onOver
  }

  /** The newest failure of a part decides when it begins again. */
  begin({ inMs, at }: Revive): void {
    const [first] = at
    if (first === undefined) return
    this.#parts.get(first)?.timer.cancel()
    const timer = this.#clock.after(inMs, () => {
      this.#parts.delete(first)
      this.#onOver(at)
    })
    this.#parts.set(first, { inMs, at, timer })
  }

  /** Of all parts that rest. */
  get paths(): readonly string[] {
    return [...this.#parts.values()].flatMap(({ at }) => at)
  }

  end(): void {
    for (const { timer } of this.#parts.values()) timer.cancel()
    this.#parts.clear()
  }
}
