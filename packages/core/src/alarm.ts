/**
 * The alarm of one actor: one clock timer for whichever of its timers is due next. What has fired stays noted until its step is
 * made, so that it fires once.
 */
import type { Clock, Timer } from './ports.ts'

/** Of the tree that is alive now. */
export interface TimedTree {
  due(now: number): readonly number[]
  nextDue(except: ReadonlySet<number>): number | undefined
}

export class Alarm {
  readonly #clock: Clock
  readonly #tree: () => TimedTree | undefined
  readonly #onDue: (timer: number, now: number) => void
  readonly #fired = new Set<number>()
  #timer: Timer | undefined

  /** `tree`: undefined while no timer may fire. `onDue` is told the time that the clock shows then. */
  constructor(clock: Clock, tree: () => TimedTree | undefined, onDue: (timer: number, now: number) => void) {
    this.#clock = clock
    this.#tree = tree
    this.#onDue = onDue
  }

  /** To be called after whatever may have set or cancelled a timer. */
  set(): void {
    this.cancel()
    const due = this.#tree()?.nextDue(this.#fired)
    if (due !== undefined) this.#timer = this.#clock.after(Math.max(0, due - this.#clock.now()), () => this.#ring())
  }

  cancel(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #ring(): void {
    const tree = this.#tree()
    if (tree === undefined) return
    const now = this.#clock.now()
    for (const timer of tree.due(now)) {
      if (this.#fired.has(timer)) continue
      this.#fired.add(timer)
      this.#onDue(timer, now)
    }
    this.set()
  }

  /** The step of this timer is being made. */
  taken(timer: number): void {
    this.#fired.delete(timer)
  }

  /** The tree that these timers belonged to is gone. */
  forget(): void {
    this.#fired.clear()
  }

  /** Timers that have fired and wait for their step. */
  get fired(): ReadonlySet<number> {
    return this.#fired
  }
}
