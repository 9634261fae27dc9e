/**
 * The workers of one pool as one node sees them, whoever started them: learnt from what they publish, never from the pool.
 *
 * 1. A worker is known from its hello or a running beat until its goodbye, `LOST_MS` of silence or another nonce under its name.
 * 2. Beats come late and say nothing of what is on its way: they only order the choice. Whether a slot is free is known
 *    from our own calls, and from the worker's answer `Busy`.
 * 3. While this node itself has no connection nobody is lost; after it everybody is asked for a hello.
 */
import { type EffectRuntime, packWire, type Subscription, type Timer } from '@troupe/core'
import type { Call } from './call.ts'
import { type Beat, type Hello, LOST_MS, parsePresence } from './presence.ts'

const SWEEP_MS = 500
/** How long a worker that said `Busy` is left alone, unless a beat shows a free slot before. */
export const BUSY_MS = 50

export interface Member {
  readonly worker: string
  readonly nonce: string
  readonly calls: Set<Call>
  slots: number
  /** As of its last beat; calls of other nodes among them. */
  inFlight: number
  running: boolean
  /** A hash of its packages; known once its hello was heard. */
  lock: string | undefined
  /** Monotonic, as the two below. */
  seenAt: number
  busyUntil: number
  usedAt: number
}

/** The worker with the smallest part of its slots in use, of those the one that has rested longest. */
export function leastLoaded(members: Iterable<Member>, now: number): Member | undefined {
  let best: Member | undefined
  for (const member of members) {
    if (!member.running || member.calls.size >= member.slots || member.busyUntil > now) continue
    const ahead = best === undefined ? -1 : load(member) - load(best)
    if (best === undefined || ahead < 0 || (ahead === 0 && member.usedAt < best.usedAt)) best = member
  }
  return best
}

const load = ({ calls, inFlight, slots }: Member): number => Math.max(calls.size, inFlight) / slots

/** The goodbye of a worker that was told to end; of one whose process died, its pool says why. */
const ASKED_TO_STOP = 'asked to stop'

export interface MembersListener {
  /** A slot may be free. */
  onRoom(): void
  /** It may have missed something, as may we. */
  onHello(member: Member): void
  /** The worker takes no call any more; what was running there has ended with it. `how`: whether it was asked to end. */
  onGone(member: Member, reason: string, how: 'in order' | 'dead'): void
}

export class Members {
  readonly #runtime: EffectRuntime
  readonly #pool: string
  readonly #listener: MembersListener
  readonly #members = new Map<string, Member>()
  readonly #subscriptions: readonly Subscription[]
  #sweeper: Timer

  constructor(runtime: EffectRuntime, pool: string, listener: MembersListener) {
    this.#runtime = runtime
    this.#pool = pool
    this.#listener = listener
    const { bus, subjects } = runtime
    this.#subscriptions = [
      bus.subscribe(subjects.presence(pool, '*'), ({ data }) => this.#hear(data)),
      bus.onConnection((connected) => {
        if (connected) this.#returned()
      }),
    ]
    this.#sweeper = this.#sweepLater()
    this.call()
  }

  get all(): readonly Member[] {
    return [...this.#members.values()]
  }

  /** Asks every worker of the pool to say hello. */
  call(): void {
    const { bus, subjects } = this.#runtime
    if (bus.connected) bus.publish(subjects.pool(this.#pool, 'hello'), packWire({ v: 1 }))
  }

  drop(member: Member, reason: string, how: 'in order' | 'dead' = 'dead'): void {
    if (this.#members.get(member.worker) !== member) return
    this.#members.delete(member.worker)
    this.#listener.onGone(member, reason, how)
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
    this.#sweeper.cancel()
    this.#members.clear()
  }

  #hear(data: Uint8Array): void {
    const message = parsePresence(data)
    if (message === undefined) return
    const known = this.#members.get(message.worker)
    if (message.kind === 'goodbye') {
      if (known?.nonce === message.nonce)
        this.drop(known, message.reason, message.reason === ASKED_TO_STOP ? 'in order' : 'dead')
    } else if (known?.nonce === message.nonce) this.#update(known, message)
    else if (message.kind === 'hello' || message.state === 'running') {
      if (known !== undefined) this.drop(known, 'another worker has its name')
      this.#update(this.#admit(message), message)
    }
  }

  #admit({ worker, nonce, slots }: Hello | Beat): Member {
    const calls = new Set<Call>()
    const times = { seenAt: 0, busyUntil: 0, usedAt: 0 }
    const member = { worker, nonce, slots, calls, inFlight: 0, running: true, lock: undefined, ...times }
    this.#members.set(worker, member)
    return member
  }

  #update(member: Member, message: Hello | Beat): void {
    member.seenAt = this.#runtime.clock.monotonic()
    member.slots = message.slots
    if (message.kind === 'hello') {
      member.lock = message.lock
      this.#listener.onHello(member)
    } else {
      member.running = message.state === 'running'
      member.inFlight = message.inFlight
      if (message.inFlight < message.slots) member.busyUntil = 0
    }
    if (member.running) this.#listener.onRoom()
  }

  #returned(): void {
    this.call()
    this.#listener.onRoom()
  }

  #sweepLater(): Timer {
    const { clock, bus } = this.#runtime
    return clock.after(SWEEP_MS, () => {
      const now = clock.monotonic()
      for (const member of this.all) {
        if (!bus.connected) member.seenAt = now
        else if (now - member.seenAt > LOST_MS) this.drop(member, `no sign of life for ${LOST_MS} ms`)
      }
      this.#sweeper = this.#sweepLater()
    })
  }
}
