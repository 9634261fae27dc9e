/**
 * Load on a cluster with a ledger of every call, checked at the end against what the actors hold.
 *
 * 1. Acknowledged is stored, once, at the place that the answer named: an answer given from a state that was never committed (a
 *    node that does not know it was replaced) names a place that another command has.
 * 2. Refused with `applied: 'no'` is not stored. Unknown may be, once.
 * 3. Deliveries to one actor are applied in the order of the calls.
 * 4. The log itself is one chain: it folds to the recorded states, whatever lives in the memory of a node.
 * 5. Every call ends with an answer or a typed error before its deadline.
 */
import { type System, toWire } from '@troupe/core'
import { replayAll } from '@troupe/core/replay'
import { ledger } from '../cluster/actors.ts'

export interface Tally {
  readonly calls: number
  readonly acknowledged: number
  readonly unknown: number
  readonly refused: number
  /** Longest time without any answer to an ask. */
  readonly longestGapMs: number
  /** Longest time that an acknowledged ask took. */
  readonly longestCallMs: number
}

const CALL_MS = 20_000
/** `deliver` gives up after 30 s. */
const DELIVER_MS = 30_000
/** A busy machine is no broken promise. */
const GRACE_MS = 1_500
/** Between calls of one key: a ledger that grows too fast measures its own copying. */
const PACE_MS = 20
const DELIVER_PACE_MS = 100
/** After so many the run has shown what it can. */
const MOST_PROBLEMS = 20

type Fate = 'acknowledged' | 'unknown' | 'refused'

interface Wait {
  readonly since: number
  readonly keys: Set<string>
  readonly resolve: (tookMs: number) => void
}

export class Load {
  readonly problems: string[] = []
  readonly #client: System
  readonly #keys: readonly string[]
  readonly #fates = new Map<string, Fate>()
  /** Size of the ledger after an acknowledged put, as its answer said. */
  readonly #sizes = new Map<string, number>()
  readonly #running: Promise<void>[]
  readonly #waits = new Set<Wait>()
  readonly #codes = new Map<string, number>()
  #stopped = false
  #lastAck = performance.now()
  #longestGapMs = 0
  #longestCallMs = 0

  constructor(client: System, keys: readonly string[]) {
    this.#client = client
    this.#keys = keys
    this.#running = keys.flatMap((key) => [this.#ask(key), this.#deliver(key)])
  }

  get tally(): Tally {
    const count = (wanted: Fate) => [...this.#fates.values()].filter((fate) => fate === wanted).length
    return {
      calls: this.#fates.size,
      acknowledged: count('acknowledged'),
      unknown: count('unknown'),
      refused: count('refused'),
      longestGapMs: Math.round(this.#longestGapMs),
      longestCallMs: Math.round(this.#longestCallMs),
    }
  }

  /** How often calls ended with each error. */
  get errors(): { readonly [code: string]: number } {
    return Object.fromEntries(this.#codes)
  }

  get hopeless(): boolean {
    return this.problems.length > MOST_PROBLEMS
  }

  /** Longest times count from now on. */
  forget(): void {
    this.#lastAck = performance.now()
    this.#longestGapMs = 0
    this.#longestCallMs = 0
  }

  /** Resolves with the time until every actor has answered an ask begun from now on; undefined when that takes too long. */
  served(withinMs: number): Promise<number | undefined> {
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        this.#waits.delete(wait)
        resolve(undefined)
      }, withinMs)
      const wait: Wait = {
        since: performance.now(),
        keys: new Set(this.#keys),
        resolve: (tookMs) => {
          clearTimeout(late)
          resolve(tookMs)
        },
      }
      this.#waits.add(wait)
    })
  }

  /** Ends the load and compares its ledger with the actors'. */
  async end(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#running)
    for (const key of this.#keys) await this.#check(key)
    await this.#checkLog()
    for await (const letter of this.#client.deadLetters()) {
      this.problems.push(`a dead letter: ${JSON.stringify(letter)}`)
    }
  }

  async #ask(key: string): Promise<void> {
    const ref = this.#client.get(ledger, key)
    for (let n = 0; !this.#stopped; n++) {
      const id = `${key}-ask-${n}`
      const begun = performance.now()
      await this.#call(id, CALL_MS, async () => {
        const { size } = await ref.ask({ type: 'put', id }, { timeoutMs: CALL_MS })
        this.#sizes.set(id, size)
        this.#answered(key, begun)
      })
      await after(PACE_MS)
    }
  }

  async #deliver(key: string): Promise<void> {
    const ref = this.#client.get(ledger, key)
    const open = new Set<Promise<void>>()
    for (let n = 0; !this.#stopped; n++) {
      const id = `${key}-mail-${n}`
      // The next ones do not wait for it: their order is the promise.
      const call = this.#call(id, DELIVER_MS, () => ref.deliver({ type: 'put', id }))
      open.add(call)
      void call.then(() => open.delete(call))
      await after(DELIVER_PACE_MS)
    }
    await Promise.all(open)
  }

  async #call(id: string, deadlineMs: number, run: () => Promise<void>): Promise<void> {
    const begun = performance.now()
    try {
      await run()
      this.#fates.set(id, 'acknowledged')
    } catch (error) {
      const { code, applied } = toWire(error)
      this.#fates.set(id, applied === 'no' ? 'refused' : 'unknown')
      this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1)
      if (!toWire(error).retryable) this.problems.push(`${id}: ${code} ${toWire(error).message}`)
    }
    const tookMs = Math.round(performance.now() - begun)
    if (tookMs > deadlineMs + GRACE_MS) this.problems.push(`${id}: ended after ${tookMs} ms, ${deadlineMs} were given`)
  }

  #answered(key: string, begun: number): void {
    const now = performance.now()
    this.#longestCallMs = Math.max(this.#longestCallMs, now - begun)
    this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastAck)
    this.#lastAck = now
    for (const wait of this.#waits) {
      if (begun >= wait.since) wait.keys.delete(key)
      if (wait.keys.size > 0) continue
      this.#waits.delete(wait)
      wait.resolve(now - wait.since)
    }
  }

  async #check(key: string): Promise<void> {
    const { ids, repeats } = await this.#settled(key)
    if (repeats > 0) this.problems.push(`${key}: ${repeats} commands were applied twice`)
    const places = new Map(ids.map((id, at) => [id, at + 1]))
    for (const [id, fate] of this.#fates) {
      if (!id.startsWith(`${key}-`)) continue
      const place = places.get(id)
      if (fate === 'acknowledged' && place === undefined) this.problems.push(`${id}: acknowledged and lost`)
      if (fate === 'refused' && place !== undefined) this.problems.push(`${id}: refused with applied 'no' and stored`)
      const size = this.#sizes.get(id)
      if (size !== undefined && place !== undefined && size !== place) {
        this.problems.push(`${id}: its answer said place ${size}, it has place ${place}`)
      }
    }
    for (const id of ids) if (!this.#fates.has(id)) this.problems.push(`${id}: stored and never sent`)
    const mail = ids.filter((id) => id.includes('-mail-')).map((id) => Number(id.split('-').at(-1)))
    const swap = mail.findIndex((n, i) => n < (mail[i - 1] ?? 0))
    if (swap >= 0) this.problems.push(`${key}: delivery ${mail[swap]} was applied after ${mail[swap - 1]}`)
  }

  async #checkLog(): Promise<void> {
    const { connection, runtime } = this.#client
    const { actors, complete } = await replayAll(connection.journal, runtime.subjects, [ledger])
    if (!complete || actors.length !== this.#keys.length) this.problems.push('the log is not complete')
    for (const { actor, divergence } of actors) {
      if (divergence !== undefined) this.problems.push(`${actor}: ${JSON.stringify(divergence).slice(0, 400)}`)
    }
  }

  /** What was delivered is applied some time after it was acknowledged. */
  async #settled(key: string): Promise<{ readonly ids: readonly string[]; readonly repeats: number }> {
    const posted = [...this.#fates].filter(
      ([id, fate]) => id.startsWith(`${key}-mail-`) && fate === 'acknowledged',
    ).length
    const deadline = performance.now() + CALL_MS
    for (;;) {
      const { context } = await this.#client.get(ledger, key).snapshot({ fenced: true, timeoutMs: CALL_MS })
      const applied = context.ids.filter((id) => id.includes('-mail-')).length
      if (applied >= posted || performance.now() > deadline) return context
      await after(PACE_MS)
    }
  }
}

const after = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))
