/**
 * What is over in the world and what no step has recorded yet: sends that are stored, mail that is consumed. The next step takes
 * it along; when none comes within 5 s, a step of its own does.
 *
 * 1. A send is given out once per incarnation; the log lists it as open until a step has recorded that it is over.
 */
import type { Clock, Timer } from './ports.ts'
import type { OpenSend, Settlement } from './settlement.ts'
import type { Step } from './step.ts'

/** Nobody may send again days later what was delivered. */
const SETTLE_MS = 5_000

export interface UnrecordedOptions {
  readonly clock: Clock
  /** Posts one send. True when it is stored or can never be, false when this node stopped first. */
  readonly onSend: (send: OpenSend) => Promise<boolean>
  readonly mailStream: string | undefined
  /** False when this incarnation is over. */
  readonly alive: () => boolean
  /** A step of its own is due. */
  readonly onDue: () => void
}

export class Unrecorded {
  readonly #o: UnrecordedOptions
  readonly #sending = new Set<number>()
  readonly #delivered = new Set<number>()
  #consumed: number | undefined
  #settler: Timer | undefined

  constructor(options: UnrecordedOptions) {
    this.#o = options
  }

  /** Called with the committed state: what it no longer lists is known to be over after any crash. */
  deliver(send: OpenSend): void {
    if (this.#sending.has(send.n) || this.#delivered.has(send.n)) return
    this.#sending.add(send.n)
    void this.#o.onSend(send).then((over) => {
      this.#sending.delete(send.n)
      if (!over || !this.#o.alive()) return
      this.#delivered.add(send.n)
      this.#settleLater()
    })
  }

  /** The step that is made next takes the cursor along. */
  consume(position: number): void {
    this.#consumed = position
    this.#settleLater()
  }

  /** Undefined when there is nothing to take along. */
  takeAlong({ mail }: Settlement): Pick<Step, 'delivered' | 'mailSeq' | 'mailStream'> | undefined {
    if (!this.any) return undefined
    const { mailStream } = this.#o
    const delivered = [...this.#delivered]
    const mailSeq = this.#consumed
    this.#delivered.clear()
    this.#consumed = undefined
    this.stop()
    return {
      ...(delivered.length > 0 && { delivered }),
      ...(mailSeq !== undefined && { mailSeq }),
      ...(mailSeq !== undefined && mailStream !== undefined && mail?.stream !== mailStream && { mailStream }),
    }
  }

  /** Usually the next step takes along what is over. */
  #settleLater(): void {
    this.#settler ??= this.#o.clock.after(SETTLE_MS, () => {
      this.#settler = undefined
      this.#o.onDue()
    })
  }

  get any(): boolean {
    return this.#delivered.size > 0 || this.#consumed !== undefined
  }

  /** No step came to take it along. */
  get due(): boolean {
    return this.any && this.#settler === undefined
  }

  get deliveredSends(): number {
    return this.#delivered.size
  }

  stop(): void {
    this.#settler?.cancel()
    this.#settler = undefined
  }
}
