/**
 * Who waits at this node for answers of one actor. Never part of its state: an asker that repeats its ask is attached again.
 *
 * 1. A repeated command replaces its route; two commands under one idempotency key both wait for the one answer.
 */
import { answerToWire, type WireAnswer } from './envelope.ts'
import { type Answer, askIdOf, type CommandId } from './step.ts'

export type Route = (answer: WireAnswer) => void

export class Askers {
  readonly #routes = new Map<string, Map<string, Route>>()

  attach(ask: string, command: CommandId | undefined, route: Route): void {
    const routes = this.#routes.get(ask) ?? new Map<string, Route>()
    routes.set(command === undefined ? ask : askIdOf(command), route)
    this.#routes.set(ask, routes)
  }

  answer(ask: string, answer: Answer): void {
    const wire = answerToWire(answer)
    for (const route of this.#routes.get(ask)?.values() ?? []) route(wire)
    this.#routes.delete(ask)
  }

  /** The actor leaves: everybody hears the same. */
  tellAll(answer: WireAnswer): void {
    for (const routes of this.#routes.values()) for (const route of routes.values()) route(answer)
    this.#routes.clear()
  }
}
