/**
 * Who waits at this node for answers of one actor. Never part of its state: an asker that repeats its ask is attached again.
 *
 * 1. A repeated command replaces its route; two commands under one idempotency key both wait for the one answer.
 */
import { answerToWire, type WireAnswer } from './envelope.ts'
import type { Answer, CommandId } from './step.ts'

export type Route = (answer: WireAnswer) => void

interface Waiting extends CommandId {
  route: Route
}

export class Askers {
  readonly #waiting = new Map<string, Waiting[]>()

  attach(ask: string, { client, n }: CommandId, route: Route): void {
    const waiting = this.#waiting.get(ask)
    if (waiting === undefined) this.#waiting.set(ask, [{ client, n, route }])
    else {
      const before = waiting.find((one) => one.client === client && one.n === n)
      if (before === undefined) waiting.push({ client, n, route })
      else before.route = route
    }
  }

  answer(ask: string, answer: Answer): void {
    const waiting = this.#waiting.get(ask)
    if (waiting === undefined) return
    const wire = answerToWire(answer)
    for (const { route } of waiting) route(wire)
    this.#waiting.delete(ask)
  }

  /** The actor leaves: everybody hears the same. */
  tellAll(answer: WireAnswer): void {
    for (const waiting of this.#waiting.values()) for (const { route } of waiting) route(answer)
    this.#waiting.clear()
  }
}
