/**
 * The events of one streamed call on their way to whoever asked for it.
 *
 * 1. The texts of the events joined are the text of the answer. Small pieces go together: after one event the next with text goes
 *    `PAUSE_MS` later, so a call has at most 20 of them in a second.
 * 2. Events are numbered from 0 and never change: whoever asks again gets the same ones, and drops what it has.
 * 3. No event ends within a character, which UTF-8 could not carry: its first half waits for the other one.
 * 4. An event that could not be published goes before those that follow it.
 */
import type { Clock, Timer } from '@troupe/core'
import { endEvents, type Lm15Event, startEvent, textEvent } from './lm15.ts'
import type { ModelAnswer } from './model.ts'

const PAUSE_MS = 50
/** At most three bytes each in UTF-8, so that an event fits into a message. */
const EVENT_CHARS = 100_000

/** False when it could not be published now. */
export type PublishEvent = (event: Lm15Event, n: number) => boolean

export class TextStream {
  readonly #events: Lm15Event[]
  readonly #clock: Clock
  readonly #publish: PublishEvent
  #published = 0
  #heardChars = 0
  #waiting = ''
  #pause: Timer | undefined

  constructor(call: { readonly id: string }, model: string, clock: Clock, publish: PublishEvent) {
    this.#events = [startEvent(call.id, model)]
    this.#clock = clock
    this.#publish = publish
  }

  hear(delta: string): void {
    this.#heardChars += delta.length
    this.#waiting += delta
    if (this.#pause === undefined) this.#flush()
  }

  /** For a reader that begins again. */
  repeat(): void {
    this.#published = 0
    this.#send()
  }

  /** The rest of the text, the tool calls and the end; of a call without an answer what has been heard. */
  end(answer: ModelAnswer | undefined): readonly Lm15Event[] {
    this.stop()
    this.#waiting += answer?.text.slice(this.#heardChars) ?? ''
    this.#take(this.#waiting.length)
    if (answer !== undefined) this.#events.push(...endEvents(answer))
    this.#send()
    return this.#events
  }

  stop(): void {
    this.#pause?.cancel()
  }

  #flush(): void {
    this.#pause = undefined
    const { length } = this.#waiting
    const whole = isCut(this.#waiting, length) ? length - 1 : length
    if (whole === 0) return
    this.#take(whole)
    this.#send()
    this.#pause = this.#clock.after(PAUSE_MS, () => this.#flush())
  }

  /** The first characters of what waits. */
  #take(chars: number): void {
    for (let from = 0; from < chars; ) {
      const most = Math.min(from + EVENT_CHARS, chars)
      const to = most < chars && isCut(this.#waiting, most) ? most - 1 : most
      this.#events.push(textEvent(this.#waiting.slice(from, to)))
      from = to
    }
    this.#waiting = this.#waiting.slice(chars)
  }

  #send(): void {
    for (; this.#published < this.#events.length; this.#published++) {
      const event = this.#events[this.#published]
      if (event === undefined || !this.#publish(event, this.#published)) return
    }
  }
}

/** Whether only half of a character stands before `at`. */
function isCut(text: string, at: number): boolean {
  const unit = text.charCodeAt(at - 1)
  return unit >= 0xd800 && unit <= 0xdbff
}
