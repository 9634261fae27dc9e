/** For the tests: a gate whose host dies, moves to other clocks and loses messages, and holders that ask it. In virtual time. */
import { type Entropy, Timeout, type TroupeError } from '@troupe/core'
import { drawn, emptyBook, type GateBook, hosted, reopened, reported, statusOf } from './gate-book.ts'
import { type Drawn, type GateStatus, gateSays } from './gate-protocol.ts'
import { type GateRuntime, GateView } from './gate-view.ts'
import { pause } from './pause.ts'
import type { SteppedClock } from './stepped-clock.ts'

export interface Faults {
  /** Part of the messages that are lost on either way. */
  readonly loss: number
  /** The longest that a message takes. */
  readonly delayMs: number
}

export class GateWorld {
  readonly clock: SteppedClock
  readonly #entropy: Entropy
  readonly #faults: Faults
  #book: GateBook = emptyBook()
  #hosted = false
  #why: TroupeError | undefined
  /** Of the host's wall clock. */
  #skewMs = 0
  readonly answers: Drawn[] = []

  constructor(clock: SteppedClock, entropy: Entropy, faults: Faults = { loss: 0, delayMs: 0 }) {
    this.clock = clock
    this.#entropy = entropy
    this.#faults = faults
    this.host(0)
  }

  /** Its host is gone; nobody answers until another one takes it up. */
  lose(why?: TroupeError): void {
    this.#hosted = false
    this.#why = why
  }

  reopen(): void {
    this.#book = reopened(this.#book, this.#wallMs())
  }

  get breaker(): GateBook['breaker'] {
    return this.#book.breaker
  }

  host(skewMs: number): void {
    this.#skewMs = skewMs
    this.#book = hosted(this.#book, this.#wallMs())
    this.#hosted = true
  }

  get status(): GateStatus {
    return statusOf(this.#book, this.#wallMs())
  }

  view(node: string): { readonly view: GateView; readonly kill: () => void } {
    let alive = true
    const runtime: GateRuntime = {
      clock: this.clock,
      node,
      entropy: this.#entropy,
      ask: async (_, __, event) => {
        if (!alive) return new Promise(() => {})
        await this.#way()
        if (!this.#hosted) throw this.#why ?? (await this.#lost())
        const answer = this.#apply(event)
        await this.#way()
        if (!alive) return new Promise(() => {})
        return answer
      },
    }
    return {
      view: new GateView(runtime, 'account'),
      kill: () => {
        alive = false
      },
    }
  }

  #apply(event: { readonly type: string }): unknown {
    if (event.type === 'draw') {
      const { book, answer } = drawn(this.#book, gateSays.events.draw.parse(event), this.#wallMs())
      this.#book = book
      this.answers.push(answer)
      return answer
    }
    const { book, closedMs } = reported(this.#book, gateSays.events.report.parse(event), this.#wallMs())
    this.#book = book
    return { closedMs }
  }

  #wallMs(): number {
    return Math.floor(this.clock.now()) + this.#skewMs
  }

  async #way(): Promise<void> {
    const { loss, delayMs } = this.#faults
    if (loss > 0 && this.#entropy.random() < loss) throw await this.#lost()
    if (delayMs > 0) await pause(this.clock, this.#entropy.random() * delayMs)
  }

  async #lost(): Promise<Timeout> {
    await pause(this.clock, 1_000)
    return new Timeout('no answer')
  }
}
