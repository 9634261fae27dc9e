/**
 * The outside of a machine under test: time, calls that finish at a set time whatever becomes of their caller, topics, and
 * a list of what custom actions did. Plain XState and the hosted tree each get a world of their own and the same script.
 *
 * 1. A call is made once per token: an effect that runs again after a crash finds its first call, running or finished.
 * 2. `advance` moves the time before calls settle; timers fire after them (`fireNext`). With XState's SimulatedClock both
 *    happen at once, and a timer that a promise of the same tick sets comes a tick early.
 * 3. Chance is one number per operation, so it does not depend on how many draws XState makes for itself.
 */
import { type Effect, type EffectClass, effect } from '../effect.ts'

type Listener = (value: unknown) => void

interface WorldTimer {
  readonly due: number
  readonly fire: () => void
}

/** What a call ends with. */
export type Result = { readonly ok: unknown } | { readonly fail: unknown }

export class World {
  now = 0
  /** Number of the operation under way. */
  operation = 0
  readonly acts: string[] = []
  readonly #calls = new Map<string, Promise<unknown>>()
  #pending: { readonly at: number; readonly settle: () => void }[] = []
  readonly #topics = new Map<string, Set<Listener>>()
  readonly #timers = new Map<number, WorldTimer>()
  #timerCount = 0

  call(token: string, ms: number, result: Result): Promise<unknown> {
    const known = this.#calls.get(token)
    if (known !== undefined) return known
    const call = new Promise<unknown>((resolve, reject) => {
      const settle = () => ('ok' in result ? resolve(result.ok) : reject(result.fail))
      if (ms === 0) settle()
      else this.#pending.push({ at: this.now + ms, settle })
    })
    call.catch(() => {})
    this.#calls.set(token, call)
    return call
  }

  /** An effect that takes `ms` and ends as told by `result`. */
  effect(ms: number, result: (input: unknown) => Result, kind: EffectClass = 'idempotent'): Effect<unknown, unknown> {
    return effect('world.call', kind, (input, { effectId }) => this.call(effectId, ms, result(input)))
  }

  act(what: string): () => void {
    return () => {
      this.acts.push(what)
    }
  }

  on(topic: string, listener: Listener): () => void {
    const listeners = this.#topics.get(topic) ?? new Set()
    this.#topics.set(topic, listeners.add(listener))
    return () => {
      listeners.delete(listener)
    }
  }

  publish(topic: string, value: unknown): void {
    const listeners = this.#topics.get(topic) ?? new Set()
    for (const listener of [...listeners]) if (listeners.has(listener)) listener(value)
  }

  advance(): void {
    this.now += 1
    const ready = this.#pending.filter(({ at }) => at <= this.now)
    this.#pending = this.#pending.filter(({ at }) => at > this.now)
    for (const { settle } of ready) settle()
  }

  random = (): number => (Math.imul(this.operation + 1, 0x9e3779b1) >>> 0) / 2 ** 32

  /** XState's clock, for the plain run. */
  readonly clock = {
    setTimeout: (fire: () => void, ms: number): number => {
      this.#timers.set(++this.#timerCount, { due: this.now + ms, fire })
      return this.#timerCount
    },
    clearTimeout: (id: number): void => {
      this.#timers.delete(id)
    },
  }

  /** Fires the oldest timer whose time has come; false when there is none. */
  fireNext(): boolean {
    let next: [number, WorldTimer] | undefined
    for (const entry of this.#timers) {
      if (entry[1].due <= this.now && (next === undefined || entry[1].due < next[1].due)) next = entry
    }
    if (next === undefined) return false
    this.#timers.delete(next[0])
    next[1].fire()
    return true
  }

  /** The process has died: nobody listens, no timer runs. Calls go on. */
  forget(): void {
    this.#topics.clear()
    this.#timers.clear()
  }
}

/** Lets every promise that can settle do so. */
export function flush(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
