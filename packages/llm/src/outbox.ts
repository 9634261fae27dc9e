/**
 * Frames on their way to whoever asked for a model call.
 *
 * 1. What cannot be published is counted as lost and never thrown: the worker asks again.
 * 2. An answer too large for a message ends its call with an error frame instead.
 */
import { type Bus, type Clock, TroupeError } from '@troupe/core'
import { errorFrame, eventFrame, finalFrame, headersOf, heartbeat, type Outcome, type Reply } from './frames.ts'
import type { Lm15Event } from './lm15.ts'
import { type ModelAnswer, ModelError } from './model.ts'
import { TextStream } from './text-stream.ts'

/** An answer that is kept, with the events that its readers have had. */
export interface Answered {
  readonly answer: ModelAnswer
  readonly stream?: { readonly name: string; readonly events: readonly Lm15Event[] }
}

export class Outbox {
  readonly #bus: Bus
  readonly #model: string
  readonly #clock: Clock
  #lost = 0

  constructor(bus: Bus, model: string, clock: Clock) {
    this.#bus = bus
    this.#model = model
    this.#clock = clock
  }

  /** Frames that could not be published. */
  get lost(): number {
    return this.#lost
  }

  beat(reply: Reply): void {
    this.#send(reply, () => heartbeat(reply))
  }

  refuse(error: ModelError, reply: Reply): void {
    this.#send(reply, () => errorFrame(error, reply))
  }

  finish(id: string, outcome: Outcome, reply: Reply, stream?: string): void {
    this.#send(reply, () => finalFrame(id, stream, this.#model, outcome, reply))
  }

  /** The call says where its events go now. */
  openText(call: { readonly id: string; readonly reply: Reply }, stream: string): TextStream {
    return new TextStream(call, this.#model, this.#clock, (event, n) => this.#event(event, stream, n, call.reply))
  }

  repeat(
    { id, stream: wanted }: { readonly id: string; readonly stream: boolean },
    kept: Answered,
    reply: Reply,
  ): void {
    const { answer, stream } = kept
    // Whoever asked for the whole first may want it as a stream now.
    if (stream === undefined && wanted) this.openText({ id, reply }, 'whole').end(answer)
    stream?.events.forEach((event, n) => {
      this.#event(event, stream.name, n, reply)
    })
    this.finish(id, { kind: 'ok', answer }, reply, stream?.name ?? (wanted ? 'whole' : undefined))
  }

  #event(event: Lm15Event, stream: string, n: number, reply: Reply): boolean {
    return this.#send(reply, () => eventFrame(event, stream, n, reply))
  }

  #send(reply: Reply, frame: () => Uint8Array): boolean {
    try {
      this.#bus.publish(reply.subject, frame(), headersOf(reply))
      return true
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error
      this.#lost += 1
      if (error.code === 'MessageTooLarge') {
        this.refuse(new ModelError('AnswerTooLarge', `the answer does not fit into a message: ${error.message}`), reply)
      }
      return false
    }
  }
}
