/** A reference to an actor: an address and the ways to talk to it. Never creates, never fails; the first message activates. */
import type { AnyActorLogic, SnapshotFrom } from 'xstate'
import type { AnyActorDef } from './actor.ts'
import type { Address, Subjects } from './address.ts'
import { type Asker, checkTimeout, type Transport } from './asker.ts'
import { type ChangesOptions, changesOf } from './changes.ts'
import { decode, encode, type Json } from './codec.ts'
import type { Deliveries, DeliverOptions } from './deliveries.ts'
import { dataIn, type EnvelopeCause, type WireAnswer } from './envelope.ts'
import { ActorNotFound, fromWire, Timeout } from './errors.ts'
import type { Bus, Clock, Journal, KeyStore, Subscription } from './ports.ts'
import type { AnyProtocol, EventIn, EventOut, Reply } from './protocol.ts'
import type { AskOptions, Cause } from './runtime.ts'
import { isJson, unpackWire } from './wire.ts'

type Has<S, K extends string> = S extends { readonly [T in K]: infer V } ? V : undefined

/** The committed state as plain data, never a live XState snapshot. */
export interface View<L extends AnyActorLogic> {
  readonly status: 'active' | 'done' | 'error' | 'stopped'
  readonly value: Has<SnapshotFrom<L>, 'value'>
  readonly context: Has<SnapshotFrom<L>, 'context'>
  readonly output: SnapshotFrom<L>['output']
  /** Number of the actor's last step. */
  readonly seq: number
  /** Of `changes({ from })`: states between `from` and this one have left the log. */
  readonly complete?: false
  /** As in XState. */
  matches: SnapshotFrom<L> extends { matches: (value: infer V) => boolean }
    ? (value: V) => boolean
    : (value: never) => boolean
  hasTag(tag: string): boolean
}

export interface Ref<P extends AnyProtocol, L extends AnyActorLogic = AnyActorLogic> {
  readonly address: Address
  /**
   * The machine's own reply; for an event without one, resolves when its step is committed.
   * @throws EventNotAccepted, InvalidEvent, ActorFailed, … (`errors.ts`); Timeout says "unknown", never "failed"
   */
  ask<K extends keyof P['events'] & string>(
    event: { readonly type: K } & EventIn<P['events'], K>,
    options?: AskOptions,
  ): Promise<Reply<P['replies'], K>>
  /**
   * Durable: resolves when stored, applied exactly once even if no node is up now, or kept as a dead letter. No reply.
   * @throws Disconnected, TypeNotServed, MessageTooLarge: not stored; Timeout: perhaps stored, deliver again under the same key
   */
  deliver(event: EventIn<P['events'], keyof P['events']>, options?: DeliverOptions): Promise<void>
  /** At most once, no answer: for ticks and telemetry. Throws `Disconnected` when nothing could be sent. */
  send(event: EventIn<P['events'], keyof P['events']>): void
  /** The last committed state; `fenced` also proves, by an append, that no later one exists. */
  snapshot(options?: { readonly fenced?: boolean; readonly timeoutMs?: number }): Promise<View<L>>
  /**
   * The present state, then every one that is committed, until the signal aborts or the loop is left (`changes.ts` says what a
   * reference without a definition leaves out). With `from`: every state from that step on, out of the log.
   */
  changes(options?: ChangesOptions): AsyncIterable<View<L>>
  /** What the machine emits, from now on; lossy. */
  on<K extends keyof P['emits'] & string>(type: K, listener: (event: EventOut<P['emits'], K>) => void): Subscription
}

/** What references need of their system. */
export interface RefOptions {
  readonly asker: Asker
  readonly deliveries: Deliveries
  readonly transport: Transport
  readonly subscribe: Bus['subscribe']
  readonly journal: Journal
  readonly keys: KeyStore
  readonly subjects: Subjects
  /** The definition that the reference was made from. */
  readonly def?: AnyActorDef
  /** `mustExist`: the subject of its journal. */
  readonly mustExistAt?: string
  readonly clock: Clock
  /** Unique in the namespace; cheap, since every message gets one. */
  readonly newId: () => string
}

const DEFAULT_TIMEOUT_MS = 5_000

interface LookOptions {
  readonly fenced?: boolean
  readonly timeoutMs?: number
}

export class ActorRef {
  readonly address: Address
  readonly #o: RefOptions
  #exists: boolean

  constructor(address: Address, options: RefOptions) {
    this.address = address
    this.#o = options
    this.#exists = options.mustExistAt === undefined
  }

  /** An actor that exists stays; one that does not may appear, so only that is asked again. */
  async #mustExist(): Promise<void> {
    const { journal, mustExistAt } = this.#o
    if (this.#exists || mustExistAt === undefined) return
    if ((await journal.last(mustExistAt)) === undefined) {
      throw new ActorNotFound(`'${this.address}' does not exist; without mustExist its first message would make it`)
    }
    this.#exists = true
  }

  ask(event: { readonly type: string }, options: AskOptions & { readonly cause?: Cause } = {}): Promise<unknown> {
    try {
      const { timeoutMs = DEFAULT_TIMEOUT_MS, idempotencyKey, signal, cause = this.#newCause() } = options
      const data = encode(event, undefined, 'event') // before anything is awaited: the caller may change it
      const said = { to: this.address, event: data, cause, timeoutMs }
      const keyed = idempotencyKey === undefined ? said : { ...said, key: idempotencyKey }
      const question = signal === undefined ? keyed : { ...keyed, signal }
      const { asker } = this.#o
      return this.#exists ? asker.ask(question) : this.#mustExist().then(() => asker.ask(question))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  send(event: { readonly type: string }): void {
    const data = encode(event, undefined, 'event')
    const send = () =>
      this.#o.transport.send({ v: 1, kind: 'event', to: this.address, event: data, cause: this.#newCause() }, () => {})
    if (this.#exists) send()
    else void this.#mustExist().then(send, () => {}) // at most once, and this time not at all
  }

  async snapshot(options: LookOptions = {}): Promise<PlainView> {
    return plainView(await this.#look(options))
  }

  async #look({ fenced = false, timeoutMs = DEFAULT_TIMEOUT_MS }: LookOptions): Promise<Json> {
    checkTimeout(timeoutMs)
    if (!this.#exists) await this.#mustExist()
    const { clock, transport } = this.#o
    const deadline = clock.monotonic() + timeoutMs
    for (;;) {
      const answer = await this.#lookOnce(fenced, Math.max(1, deadline - clock.monotonic()), transport)
      if (answer !== 'again') {
        if (!answer.ok) throw fromWire(answer.error)
        return answer.value ?? null
      }
      if (clock.monotonic() >= deadline) throw new Timeout(`'${this.address}' showed no state within ${timeoutMs} ms`)
      await new Promise<void>((resolve) => clock.after(50, resolve, { keepAlive: true }))
    }
  }

  #lookOnce(fenced: boolean, waitMs: number, transport: Transport): Promise<WireAnswer | 'again'> {
    return new Promise((resolve) => {
      // An actor of this node may answer before `send` has returned.
      let sent: { close(): void } | undefined
      let over = false
      const end = (answer: WireAnswer | 'again') => {
        if (over) return
        over = true
        timer.cancel()
        sent?.close()
        resolve(answer)
      }
      const timer = this.#o.clock.after(Math.min(waitMs, 1_000), () => end('again'), { keepAlive: true })
      try {
        sent = transport.send({ v: 1, kind: 'view', to: this.address, fenced, cause: this.#newCause() }, (answer) =>
          end(answer === 'no-responders' || (!answer.ok && answer.error.code === 'Moved') ? 'again' : answer),
        )
      } finally {
        if (sent === undefined) timer.cancel()
      }
      if (over) sent.close()
    })
  }

  async deliver(
    event: { readonly type: string },
    { cause, ...options }: DeliverOptions & { readonly cause?: Cause } = {},
  ): Promise<void> {
    const data = encode(event, undefined, 'event')
    await this.#mustExist()
    await this.#o.deliveries.deliver(this.address, data, cause ?? this.#newCause(), options)
  }

  async *changes(options: ChangesOptions = {}): AsyncGenerator<PlainView> {
    const { def, journal, keys, subjects, clock } = this.#o
    await this.#mustExist()
    const parts = { address: this.address, def, journal, keys, subjects, clock, look: () => this.#look({}) }
    for await (const view of changesOf(parts, options)) yield plainView(view)
  }

  on(type: string, listener: (event: object) => void): Subscription {
    return this.#o.subscribe(this.#o.subjects.observation(this.address), ({ data, headers }) => {
      const body = unpackWire(data, isJson(headers))
      if (typeof body !== 'object' || body === null || !('event' in body)) return
      const event = decode(dataIn(body.event, 'event'))
      if (typeof event === 'object' && event !== null && 'type' in event && event.type === type) listener(event)
    })
  }

  #newCause(): EnvelopeCause {
    const correlation = this.#o.newId()
    return { correlation, causation: `client:${correlation}` }
  }
}

interface PlainView {
  readonly status: 'active' | 'done' | 'error' | 'stopped'
  readonly value: unknown
  readonly context: unknown
  readonly output: unknown
  readonly seq: number
  readonly complete?: false
  matches(pattern: unknown): boolean
  hasTag(tag: string): boolean
}

const STATUSES = ['active', 'done', 'error', 'stopped'] as const

function plainView(value: Json): PlainView {
  const record = typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  const field = (name: string): Json => Reflect.get(record, name) ?? null
  const tags = field('tags')
  const undefinedIfNull = (name: string) => (field(name) === null ? undefined : decode(field(name)))
  const state = undefinedIfNull('value')
  return {
    status: STATUSES.find((status) => status === field('status')) ?? 'active',
    value: state,
    context: undefinedIfNull('context'),
    output: undefinedIfNull('output'),
    seq: Number(field('seq')),
    ...(field('complete') === false && { complete: false }),
    matches: (pattern) => matches(pattern, state),
    hasTag: (tag) => Array.isArray(tags) && tags.includes(tag),
  }
}

/** XState's `matchesState`: a parent value matches every descendant of it. */
function matches(pattern: unknown, value: unknown): boolean {
  if (typeof pattern === 'string' && pattern.includes('.')) {
    const cut = pattern.indexOf('.')
    return matches({ [pattern.slice(0, cut)]: pattern.slice(cut + 1) }, value)
  }
  if (typeof pattern === 'string') {
    return value === pattern || (typeof value === 'object' && value !== null && pattern in value)
  }
  if (typeof pattern !== 'object' || pattern === null || typeof value !== 'object' || value === null) return false
  return Object.entries(pattern).every(([key, part]) => key in value && matches(part, Reflect.get(value, key)))
}
