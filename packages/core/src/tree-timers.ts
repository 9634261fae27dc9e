/**
 * The timers of one actor tree (`after`, delayed `raise` and `sendTo`): state, not clock. Who is due is asked from outside.
 *
 * 1. A timer is known by its number, which never repeats in the life of an actor.
 * 2. As in XState: a second timer under a used id does not end the first, which still fires but can no longer be cancelled; and an
 *    older one that fires takes the id with it.
 */
import { LAST_MS } from './clock.ts'
import type { Json } from './codec.ts'
import type { Origin } from './input.ts'
import type { InsideActor, InsideEvent } from './xstate-inside.ts'

export interface TreeTimer {
  readonly n: number
  readonly key: string
  readonly source: InsideActor
  readonly target: InsideActor
  readonly event: InsideEvent
  readonly due: number
  readonly origin: Origin
}

export interface TimerState {
  readonly n: number
  readonly key: string
  readonly source: string
  readonly target: string
  readonly event: Json
  readonly due: number
  readonly origin: Origin
  /** False: a younger timer took its id. */
  readonly live: boolean
}

export class TreeTimers {
  readonly #timers = new Map<number, TreeTimer>()
  readonly #ofKey = new Map<string, number>()
  #count = 0

  /** How many there have been. */
  get count(): number {
    return this.#count
  }
  get open(): number {
    return this.#timers.size
  }

  /** Numbers of a new tree never repeat those of the one before it: a late firing finds nobody. */
  countOn(count: number): void {
    this.#count = count
  }

  /** @param id without one the timer cannot be cancelled by anybody but its owner's end */
  set(timer: Omit<TreeTimer, 'n' | 'key'>, path: string, id: string | undefined): TreeTimer {
    const n = ++this.#count
    const made = { ...timer, n, key: `${path}.${id ?? `#${n}`}` }
    this.#timers.set(n, made)
    this.#ofKey.set(made.key, n)
    return made
  }

  /** @returns the number of the timer that is gone */
  cancel(key: string): number | undefined {
    const n = this.#ofKey.get(key)
    if (n === undefined) return undefined
    this.#ofKey.delete(key)
    this.#timers.delete(n)
    return n
  }

  /** Keys that an ending actor still holds, in the order in which they were set: a restart keeps that order. */
  keysOf(source: InsideActor): readonly string[] {
    const held = [...this.#timers.values()].filter(
      ({ n, key, source: owner }) => owner === source && this.#ofKey.get(key) === n,
    )
    return held.map(({ key }) => key)
  }

  /** The timer fires: it is gone, and its id with it. */
  take(n: number): TreeTimer | undefined {
    const timer = this.#timers.get(n)
    if (timer === undefined) return undefined
    this.#timers.delete(n)
    this.#ofKey.delete(timer.key)
    return timer
  }

  get(n: number): TreeTimer | undefined {
    return this.#timers.get(n)
  }

  /** Timers whose time has come, oldest first. */
  due(now: number): readonly number[] {
    const ready = [...this.#timers.values()].filter((timer) => timer.due <= now)
    return ready.sort((a, b) => a.due - b.due || a.n - b.n).map((timer) => timer.n)
  }

  /** When the next timer is due, those in `except` left out. */
  nextDue(except: ReadonlySet<number>): number | undefined {
    let next: number | undefined
    for (const timer of this.#timers.values()) {
      if (!except.has(timer.n) && (next === undefined || timer.due < next)) next = timer.due
    }
    return next
  }

  state(pathOf: (actor: InsideActor) => string, encoded: (event: InsideEvent) => Json): readonly TimerState[] {
    return [...this.#timers.values()].map(({ n, key, source, target, event, due, origin }) => ({
      n,
      key,
      source: pathOf(source),
      target: pathOf(target),
      event: encoded(event),
      due,
      origin,
      live: this.#ofKey.get(key) === n,
    }))
  }

  restore(timer: TreeTimer, live: boolean): void {
    this.#timers.set(timer.n, timer)
    if (live) this.#ofKey.set(timer.key, timer.n)
  }
}

/** When a timer of this delay is due; `refuse` gets the reason when no log could keep that time. */
export function dueAfter(delay: number, now: number, refuse: (why: string) => never): number {
  const due = now + delay
  if (Math.abs(due) <= LAST_MS) return due
  return refuse(`a delay is ${delay} ms; it must be a number that ends before the year 2262`)
}
