/**
 * The tree after the last good step: what a failed step falls back to.
 *
 * A state costs more than the step that leads to it, and is rarely fallen back to. So it is kept as an older state and the steps
 * since: folding them again leads to the same one (`logic-host.ts`, invariant 3).
 */
import type { Input, Origin } from './input.ts'
import type { HostState, LogicHost } from './logic-host.ts'
import type { Draw } from './tape.ts'

/** Steps that are kept in memory, with what they carry, and folded again at most. */
const LONGEST_TAIL = 32

interface GoodStep {
  readonly input: Input
  readonly at: number
  readonly origin: Origin
  readonly draws: readonly Draw[]
}

export class LastGood {
  #state: HostState | undefined
  #since: GoodStep[] = []

  /** Whether there ever was a good tree. */
  get exists(): boolean {
    return this.#state !== undefined || this.#since.length > 0
  }

  /** A step has succeeded on this tree. */
  note(step: GoodStep, host: LogicHost): void {
    this.#since.push(step)
    if (this.#since.length >= LONGEST_TAIL) this.set(host.state())
  }

  /** Undefined: there is no tree any more. */
  set(state: HostState | undefined): void {
    this.#state = state
    this.#since = []
  }

  /** @param fresh makes a tree that nothing has happened to */
  state(fresh: () => LogicHost): HostState | undefined {
    if (this.#since.length === 0) return this.#state
    const host = fresh()
    if (this.#state !== undefined) host.restore(this.#state)
    for (const { input, at, origin, draws } of this.#since) host.step(input, at, origin, draws)
    this.set(host.state())
    return this.#state
  }
}
