/**
 * Who uses the actors in a simulation, on a system of its own or as the guest of a node. Calls are remembered in the ledger.
 */
import type { AnyActorLogic } from 'xstate'
import type { ActorDef } from '../actor.ts'
import type { ListedDeadLetter } from '../dead-letter.ts'
import { TroupeError, toWire } from '../errors.ts'
import type { AnyProtocol } from '../protocol.ts'
import { redriven } from '../redrive.ts'
import type { Ref } from '../ref.ts'
import type { AskOptions, Cause } from '../runtime.ts'
import type { Order } from '../supervision.ts'
import type { Addressed, System } from '../system.ts'
import type { Call, Ledger } from './ledger.ts'
import { type Delivery, idOf } from './letters.ts'
import type { SimProcess } from './process.ts'

export interface SimClient {
  readonly name: string
  readonly system: System
  /** Faults still happen. */
  readonly disturbed: boolean
  /** A reference whose calls are checked against the log when the simulation ends. */
  get<P extends AnyProtocol, L extends AnyActorLogic>(actor: ActorDef<P, L>, key: string): Ref<P, L>
  /** What an operator orders; checked as calls are. */
  order(kind: Order['kind'], actor: Addressed, options?: { readonly timeoutMs?: number }): Promise<void>
  /** What an operator has delivered again. */
  redrive(letter: ListedDeadLetter): Promise<void>
  /** Uniform in [0, 1), from the seed. */
  random(): number
  sleep(ms: number): Promise<void>
}

export interface ClientOptions {
  readonly name: string
  readonly process: SimProcess
  readonly system: System
  readonly ledger: Ledger
  /** A look must show no less than what was acknowledged before: `ADMITTED_DRIFT`. */
  readonly looksHold: boolean
  readonly disturbed: () => boolean
}

const DEFAULT_TIMEOUT_MS = 5_000

export class TrackingClient implements SimClient {
  readonly name: string
  readonly system: System
  readonly random: () => number
  readonly #o: ClientOptions
  #ids = 0

  constructor(options: ClientOptions) {
    this.#o = options
    this.name = options.name
    this.system = options.system
    this.random = options.process.scheduler.entropy(`${this.name}/work`).random
  }

  get disturbed(): boolean {
    return this.#o.disturbed()
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#o.process.clock.after(ms, resolve))
  }

  get<P extends AnyProtocol, L extends AnyActorLogic>(actor: ActorDef<P, L>, key: string): Ref<P, L> {
    const ref = this.system.get(actor, key)
    return {
      address: ref.address,
      ask: (event, options = {}) => {
        const call = this.#newCall(ref.address, event.type, options)
        // A reference of a system takes the cause that effects hand on.
        const withCause = { ...options, cause: causeOf(call.id) }
        return this.#tracked(call, ref.ask(event, withCause))
      },
      send: (event) => ref.send(event),
      deliver: (event, options = {}) => {
        const delivery: Delivery = { id: this.#newId(), to: ref.address }
        this.#o.ledger.letters.deliveries.push(delivery)
        const withCause = { ...options, cause: causeOf(delivery.id) }
        return this.#delivered(delivery, ref.deliver(event, withCause))
      },
      changes: (options) => ref.changes(options),
      on: (type, listener) => ref.on(type, listener),
      snapshot: async (options) => {
        const { ledger, looksHold } = this.#o
        const known = ledger.acknowledgedSeq(ref.address)
        const view = await ref.snapshot(options)
        if ((looksHold || options?.fenced === true) && view.seq < known) {
          ledger.report(
            13,
            `${this.name} is shown step ${view.seq} of ${ref.address}; ${known} was known before it asked`,
          )
        }
        return view
      },
    }
  }

  /** Once it was told stored, the letter has to be in the mail. */
  async redrive(letter: ListedDeadLetter): Promise<void> {
    if (await this.system.redrive(letter)) {
      this.#o.ledger.letters.redriven.add(idOf(redriven(letter).command, letter.to))
    }
  }

  order(kind: Order['kind'], { address }: Addressed, { timeoutMs = DEFAULT_TIMEOUT_MS } = {}): Promise<void> {
    const call = this.#newCall(address, kind, { timeoutMs })
    return this.#tracked(call, this.system[kind]({ address }, { timeoutMs, reason: call.id }))
  }

  #newId(): string {
    this.#ids += 1
    return `${this.name}-${this.#ids}`
  }

  #newCall(to: Call['to'], type: string, { timeoutMs = DEFAULT_TIMEOUT_MS, idempotencyKey }: AskOptions): Call {
    const askedAt = this.#o.process.clock.monotonic()
    const call: Call = {
      id: this.#newId(),
      caller: this.#o.process,
      to,
      type,
      key: idempotencyKey,
      askedAt,
      deadline: askedAt + timeoutMs,
    }
    this.#o.ledger.calls.push(call)
    return call
  }

  async #delivered(delivery: Delivery, stored: Promise<void>): Promise<void> {
    try {
      await stored
      delivery.ended = { stored: true, applied: 'unknown' }
    } catch (error) {
      delivery.ended = { stored: false, applied: toWire(error).applied }
      throw error
    }
  }

  async #tracked<T>(call: Call, answer: Promise<T>): Promise<T> {
    const { ledger, process } = this.#o
    const end = (outcome: NonNullable<Call['ended']>['outcome']): void => {
      call.ended = { at: process.clock.monotonic(), outcome, records: ledger.records.length }
    }
    try {
      const value = await answer
      end({ ok: true, value })
      return value
    } catch (error) {
      const { code, applied, message } = toWire(error)
      end({ ok: false, code, applied, message })
      if (!(error instanceof TroupeError)) ledger.report(8, `call ${call.id} ended with an untyped error: ${message}`)
      throw error
    }
  }
}

function causeOf(id: string): Cause {
  return { correlation: id, causation: `client:${id}` }
}
