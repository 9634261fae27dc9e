/**
 * The one source of order and chance in a simulation: every task passes through here, every decision is drawn from the seed.
 *
 * 1. Two runs of one seed make the same decisions in the same order; `trace` proves it.
 * 2. `calm` ends all faults of chance; what is on its way keeps its fate.
 */
import { seededEntropy } from '../entropy.ts'
import type { Entropy, Timer } from '../ports.ts'
import { VirtualTime } from './clock.ts'
import { CALM, type Faults } from './faults.ts'

/** What becomes of one message on one way. */
export interface Fate {
  readonly delayMs: number
  readonly lost: boolean
  /** A real connection would repeat it until it has arrived. */
  readonly sure?: boolean
  /** It comes once more, so much later. */
  readonly againMs: number | undefined
}

const SLOW_MS = [500, 6_000] as const
const AGAIN_MS = [5, 4_000] as const
const START_MS = Date.UTC(2030, 0, 1)

export interface SchedulerOptions {
  readonly seed: number | string
  readonly faults: Faults
  /** Real simulations begin in 2030; the conformance suites compare with the machine's clock. */
  readonly startMs?: number
  /** Gets every line of the trace. */
  readonly onTrace?: (line: string) => void
}

export class Scheduler {
  readonly time: VirtualTime
  readonly seed: number | string
  /** Journal and store answer nobody while this is false. */
  available = true
  readonly #entropy: Entropy
  readonly #onTrace: ((line: string) => void) | undefined
  #faults: Faults
  #trace = 0x811c9dc5
  #tasks = 0

  constructor({ seed, faults, startMs = START_MS, onTrace }: SchedulerOptions) {
    this.seed = seed
    this.time = new VirtualTime(startMs)
    this.#entropy = seededEntropy(`${seed}/schedule`)
    this.#faults = faults
    this.#onTrace = onTrace
  }

  get faults(): Faults {
    return this.#faults
  }

  /** A number that two runs share only when all they did was the same. */
  get trace(): string {
    return `${this.#tasks}:${this.#trace.toString(16)}`
  }

  calm(): void {
    this.#faults = { ...CALM, latencyMs: this.#faults.latencyMs }
    this.available = true
  }

  /** Chance of its own for one purpose, so that using more of it here changes nothing there. */
  entropy(purpose: string): Entropy {
    return seededEntropy(`${this.seed}/${purpose}`)
  }

  at(delayMs: number, label: string, run: () => void): Timer {
    return this.time.at(delayMs, () => {
      this.note(label)
      run()
    })
  }

  note(label: string): void {
    this.#tasks += 1
    const line = `${this.time.elapsedMs.toFixed(3)} ${label}`
    let hash = this.#trace
    for (let i = 0; i < line.length; i++) hash = Math.imul(hash ^ line.charCodeAt(i), 0x01000193) >>> 0
    this.#trace = hash
    this.#onTrace?.(line)
  }

  chance(probability: number): boolean {
    return probability > 0 && this.#entropy.random() < probability
  }

  between([least, most]: readonly [number, number]): number {
    return least + this.#entropy.random() * (most - least)
  }

  /** Mostly near the shortest way, sometimes near the longest. */
  latencyMs(): number {
    const [least, most] = this.#faults.latencyMs
    return least + this.#entropy.random() ** 3 * (most - least)
  }

  /** Of the clock of a process that begins. */
  rate(): number {
    const { drift } = this.#faults.clocks
    return 1 + this.between([-drift, drift])
  }

  /** Of a wall clock that is set. */
  skewMs(): number {
    const { skewMs } = this.#faults.clocks
    return this.between([-skewMs, skewMs])
  }

  /** Takes its time and arrives. */
  sureFate(): Fate {
    return { delayMs: this.latencyMs(), lost: false, sure: true, againMs: undefined }
  }

  messageFate(repeatable: boolean): Fate {
    const { loss, duplicate } = this.#faults
    const againMs = repeatable && this.chance(duplicate) ? this.between(AGAIN_MS) : undefined
    return { delayMs: this.latencyMs(), lost: this.chance(loss), againMs }
  }

  requestFate(): Fate {
    const { dropped, slow } = this.#faults
    const delayMs = this.chance(slow) ? this.between(SLOW_MS) : this.latencyMs()
    return { delayMs, lost: this.chance(dropped), againMs: undefined }
  }

  answerFate(): Fate {
    return { delayMs: this.latencyMs(), lost: this.chance(this.#faults.torn), againMs: undefined }
  }
}
