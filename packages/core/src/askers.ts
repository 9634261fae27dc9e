/**
 * Who waits at this node for answers of one actor. Never part of its state: an asker that repeats its ask is attached again.
 *
 * 1. A repeated command replaces its route; two commands under one idempotency key both wait for the one answer.
 * 2. An answer is due once its step is made and told once that is committed; when the actor is lost first, its asker hears of the
 *    loss instead.
 */
import { answerToWire, type WireAnswer } from './envelope.ts'
import { type Answer, askIdOf, type CommandId, type EndedWith } from './step.ts'

export type Route = (answer: WireAnswer) => void

/** Who has asked for a step. */
export interface Asker {
  readonly command: CommandId
  readonly route: Route
}

interface Waiting extends CommandId {
  route: Route
}

export class Askers {
  readonly #waiting = new Map<string, Waiting[]>()
  #due: { readonly route: Route; readonly answer: Answer }[] = []

  attach(ask: string, { client, n }: CommandId, route: Route): void {
    const waiting = this.#waiting.get(ask)
    if (waiting === undefined) this.#waiting.set(ask, [{ client, n, route }])
    else {
      const before = waiting.find((one) => one.client === client && one.n === n)
      if (before === undefined) waiting.push({ client, n, route })
      else before.route = route
    }
  }

  /** A step has ended these asks. The one that its own asker waits for, as a rule the only one, is not looked up. */
  ended(answers: readonly EndedWith[], asker?: Asker): void {
    const own = asker && askIdOf(asker.command)
    let open = asker
    for (const { ask, answer } of answers) {
      if (open === undefined || ask !== own) this.#toAll(ask, answer)
      else {
        this.#due.push({ route: open.route, answer })
        open = undefined
      }
    }
    if (open !== undefined && own !== undefined) this.attach(own, open.command, open.route)
  }

  #toAll(ask: string, answer: Answer): void {
    if (this.#waiting.size === 0) return
    for (const { route } of this.#waiting.get(ask) ?? []) this.#due.push({ route, answer })
    this.#waiting.delete(ask)
  }

  /** The steps that made them are committed. */
  tellDue(): void {
    const due = this.#due
    this.#due = []
    for (const { route, answer } of due) route(answerToWire(answer))
  }

  /** The actor leaves: everybody hears the same. */
  tellAll(answer: WireAnswer): void {
    const due = this.#due
    this.#due = []
    for (const { route } of due) route(answer)
    for (const waiting of this.#waiting.values()) for (const { route } of waiting) route(answer)
    this.#waiting.clear()
  }
}
