/**
 * Who does not hear whom in a simulation. Parties are processes and the services of the server.
 *
 * 1. A cut has a direction: what goes from one party to another does not arrive, and neither is told.
 * 2. It drops what would arrive while it lasts, or holds it, as TCP does: then that arrives, in its order, when the cut ends.
 * 3. A name is a place: a process that starts again under it is cut off as its predecessor was.
 */
import type { Subscription } from '../ports.ts'

export const SERVICES = ['bus', 'journal', 'store', 'mail'] as const
export type Service = (typeof SERVICES)[number]

interface Cut {
  readonly from: string
  readonly to: string
  readonly holds: boolean
  readonly held: (() => void)[]
}

export class Network {
  readonly #cuts = new Set<Cut>()
  readonly #listeners = new Set<() => void>()

  /** @returns ends the cut */
  cut(from: string, to: string, holds: boolean): () => void {
    const cut: Cut = { from, to, holds, held: [] }
    this.#cuts.add(cut)
    return () => this.#end(cut)
  }

  blocks(from: string, to: string): boolean {
    return this.#between(from, to) !== undefined
  }

  /**
   * Runs `arrive` now, when the cut ends, or never.
   * @param sure what a real connection would repeat when it is made anew, such as a subscription: no cut drops it
   */
  pass(from: string, to: string, sure: boolean, arrive: () => void): void {
    const cut = this.#between(from, to)
    if (cut === undefined) arrive()
    else if (sure || cut.holds) cut.held.push(arrive)
  }

  healAll(): void {
    for (const cut of [...this.#cuts]) this.#end(cut)
  }

  onHeal(listener: () => void): Subscription {
    this.#listeners.add(listener)
    return { unsubscribe: () => this.#listeners.delete(listener) }
  }

  #between(from: string, to: string): Cut | undefined {
    for (const cut of this.#cuts) if (cut.from === from && cut.to === to) return cut
    return undefined
  }

  #end(cut: Cut): void {
    if (!this.#cuts.delete(cut)) return
    // Another cut of the same two may still last.
    for (const arrive of cut.held) this.pass(cut.from, cut.to, true, arrive)
    for (const listener of [...this.#listeners]) listener()
  }
}
