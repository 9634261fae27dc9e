/**
 * What an actor owes and is owed: answered commands, open asks, sends under way, its failures and its end. A pure fold over
 * step records: live turns and recovery call the same `apply`, so a recovered actor owes exactly the same.
 *
 * 1. A command id is `<client>:<n>`; each client says up to which n it will never ask again (`settled`). Answers above it are
 *    kept, so a repeated command is answered and not applied; a late copy of a settled one is refused. Exact, with no window
 *    in time.
 * 2. Kept answers and open asks are bounded: 1,024 per client, then `TooManyOutstanding`. A client silent for 24 h is
 *    forgotten, unless one of its asks is open.
 * 3. An idempotency key names a command across clients for 24 h; another payload under it is refused.
 * 4. An ask stays open until a step answers it, the actor ends, or its asker has stopped waiting; with an idempotency key
 *    until that key is forgotten, since whoever asks again under it waits for the same answer.
 * 5. A send stays open until the mail has stored it; a new owner posts it again under the same id.
 * 6. Mail up to the cursor is consumed. A cursor into mail that is kept elsewhere now says nothing.
 */
import { hashOf, type Json } from './codec.ts'
import {
  ActorDestroyed,
  ActorDone,
  ActorQuarantined,
  ActorStopped,
  IdempotencyMismatch,
  Timeout,
  type TroupeError,
} from './errors.ts'
import { KeptAnswers } from './kept-answers.ts'
import { type Answer, answersIn, askIdOf, type CommandId, type EndedWith, type Step, type StepId } from './step.ts'
import type { Order } from './supervision.ts'

export const ANSWERS_PER_CLIENT = 1_024
export const KEY_MS = 24 * 3_600_000
export const CLIENT_MS = 24 * 3_600_000

export interface OpenAsk {
  readonly id: string
  readonly type: string
  readonly step: number
  readonly expires?: number
}

export interface OpenSend {
  /** The sender's own count of its sends: together with its address the command id. */
  readonly n: number
  readonly to: string
  readonly event: Json
  readonly correlation: string
  readonly step: string
  /** Time of that step: what is older than its receiver's memory must not be sent again. */
  readonly at: number
}

export type Life =
  | { readonly kind: 'active' }
  | { readonly kind: 'done'; readonly output: Json }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'quarantined'; readonly reason: string }
  | { readonly kind: 'destroyed'; readonly at: number }

/** How long a destroyed actor's address says so before it is free again. */
export const TOMBSTONE_MS = 30 * 24 * 3_600_000

/** `n`: the client's number of the command. */
export type KeptAnswer = Answer & { readonly n: number }

export interface SettlementState {
  readonly clients: {
    readonly [client: string]: {
      readonly settled: number
      readonly at: number
      readonly answers: readonly KeptAnswer[]
    }
  }
  readonly keys: {
    readonly [key: string]: {
      readonly payload: string
      readonly ask: string
      readonly at: number
      readonly answer?: Answer
    }
  }
  readonly asks: readonly OpenAsk[]
  readonly sends: readonly OpenSend[]
  readonly sendCount: number
  readonly failures: readonly number[]
  /** Of children that were answered without the root. */
  readonly childFailures?: readonly number[]
  readonly life: Life
  readonly mail?: MailCursor
  readonly attempt?: NonNullable<Step['attempt']>
}

export interface MailCursor {
  readonly stream: string
  readonly seq: number
}

export type Known =
  | { readonly kind: 'new' }
  | { readonly kind: 'answered'; readonly answer: Answer }
  | { readonly kind: 'open'; readonly ask: string }
  | { readonly kind: 'refused'; readonly error: TroupeError }

const NEW: Known = { kind: 'new' }

interface Client {
  settled: number
  at: number
  readonly answers: KeptAnswers
  /** Asks without an answer, expired ones included. */
  asks: number
}

interface Keyed {
  readonly payload: string
  readonly ask: string
  readonly at: number
  answer?: Answer
}

export class Settlement {
  /** In the order in which they were heard of last, so that forgetting looks at the front only. */
  readonly #clients = new Map<string, Client>()
  /** In the order of their times. */
  readonly #keys = new Map<string, Keyed>()
  /** The keyed command behind an ask. */
  readonly #keyedAsks = new Map<string, Keyed>()
  readonly #asks = new Map<string, OpenAsk>()
  readonly #sends = new Map<number, OpenSend>()
  #sendCount = 0
  #failures: number[] = []
  #childFailures: number[] = []
  #life: Life = { kind: 'active' }
  #mail: MailCursor | undefined
  #attempt: NonNullable<Step['attempt']> | undefined
  /** No ask is forgotten before this time. */
  #asksLastUntil = Number.POSITIVE_INFINITY
  /** The client that was heard of last: most steps are of the one of the step before. */
  #newest = ''

  constructor(state?: SettlementState) {
    if (state === undefined) return
    for (const [name, { settled, at, answers }] of byTime(state.clients)) {
      this.#clients.set(name, { settled, at, answers: new KeptAnswers(answers), asks: 0 })
    }
    for (const [key, keyed] of byTime(state.keys)) this.#key(key, { ...keyed })
    for (const ask of state.asks) this.#open(ask)
    for (const send of state.sends) this.#sends.set(send.n, send)
    this.#sendCount = state.sendCount
    this.#failures = [...state.failures]
    this.#childFailures = [...(state.childFailures ?? [])]
    this.#life = state.life
    this.#mail = state.mail
    this.#attempt = state.attempt
  }

  /** What is known of a command before it is applied. */
  look(command: CommandId, key: string | undefined, event: Json): Known {
    const client = this.#clients.get(command.client)
    const answer = client?.answers.get(command.n)
    if (answer !== undefined) return { kind: 'answered', answer }
    if (this.#asks.size > 0 && this.#asks.has(askIdOf(command))) return { kind: 'open', ask: askIdOf(command) }
    const keyed = key === undefined ? undefined : this.#keys.get(key)
    if (keyed !== undefined) {
      if (keyed.payload !== hashOf(event)) {
        return {
          kind: 'refused',
          error: new IdempotencyMismatch(`key '${key}' was used with another payload`, { key }),
        }
      }
      return keyed.answer === undefined ? { kind: 'open', ask: keyed.ask } : { kind: 'answered', answer: keyed.answer }
    }
    if (command.n > (client?.settled ?? 0)) return NEW
    const ask = askIdOf(command)
    return {
      kind: 'refused',
      error: new Timeout(`command '${ask}' is settled; its answer is not kept any more`, { ask }),
    }
  }

  /** How many commands of the client stay remembered when this one is taken, which settles earlier ones. */
  outstanding({ client, settled }: { readonly client: string; readonly settled: number }): number {
    const known = this.#clients.get(client)
    if (known === undefined) return 0
    const { answers, asks } = known
    return answers.countAbove(settled) + asks
  }

  /**
   * The asks that a reply of this type means, oldest first. An asker that has stopped waiting is not the oldest any more.
   * @param cause the ask at the root of the replying step's chain. When it was of this type, the reply is its own: once it
   *   has been answered or given up, another ask must not get it.
   */
  asksFor(
    type: string,
    to: 'cause' | 'oldest' | 'all',
    cause: { readonly ask?: string; readonly askType?: string },
    at: number,
  ): readonly string[] {
    const asks = [...this.#asks.values()].filter((ask) => ask.type === type)
    if (to === 'all') return asks.map((ask) => ask.id)
    if (to === 'cause' && cause.ask !== undefined && (cause.askType ?? type) === type) {
      return this.#asks.has(cause.ask) ? [cause.ask] : []
    }
    const oldest = asks.find((ask) => isWaiting(ask, at))
    return oldest === undefined ? [] : [oldest.id]
  }

  /** Asks whose asker still waits. */
  waiting(at: number): number {
    let n = 0
    for (const ask of this.#asks.values()) if (isWaiting(ask, at)) n += 1
    return n
  }

  /**
   * @param id the id of the step
   * @returns how the asks that it ended were answered
   */
  apply(step: Step, id: StepId): readonly EndedWith[] {
    const { command, at } = step
    const answers = answersIn(step, id)
    if (command !== undefined) this.#applyCommand(step, command, answers)
    if (step.delivered !== undefined) for (const n of step.delivered) this.#sends.delete(n)
    if (step.mailSeq !== undefined) {
      this.#mail = { stream: step.mailStream ?? this.#mail?.stream ?? '', seq: step.mailSeq }
    }
    if (step.attempt !== undefined) this.#attempt = step.attempt
    else if (step.input.kind === 'message') this.#attempt = undefined
    for (const { ask, answer } of answers) this.#settle(ask, answer, at)
    if (step.made?.sends !== undefined && step.outcome === 'applied') {
      for (const send of step.made.sends) {
        const n = ++this.#sendCount
        this.#sends.set(n, { n, ...send, correlation: step.cause.correlation, step: id, at })
      }
    }
    if (step.supervision !== undefined) this.#applySupervision(step)
    if (step.input.kind === 'operator' && step.outcome === 'applied') this.#applyOrder(step.input.order, at)
    if (step.ended?.kind === 'done') this.#life = { kind: 'done', output: step.ended.output ?? null }
    if (step.ended?.kind === 'stopped') this.#life = { kind: 'stopped' }
    this.#forget(at)
    return answers
  }

  #applyCommand(step: Step, command: NonNullable<Step['command']>, answers: readonly EndedWith[]): void {
    const client = this.#client(command.client, step.at)
    if (command.settled > client.settled) {
      client.settled = command.settled
      client.answers.forget(command.settled)
      if (client.asks > 0) this.#forgetSettledAsks(command.client, command.settled, step.at)
    }
    const ask = askIdOf(command)
    const said = wasLookedAt(step) ? saidIn(step.input) : undefined
    if (command.key !== undefined && said !== undefined) {
      this.#forgetKey(command.key)
      this.#key(command.key, { payload: hashOf(said), ask, at: step.at })
    }
    if (command.wants === 'reply' && answers.every((ended) => ended.ask !== ask)) {
      const type = eventType(step.input)
      const expires = command.key === undefined ? command.expires : step.at + KEY_MS
      this.#open({ id: ask, type, step: step.seq, ...(expires !== undefined && { expires }) })
    }
  }

  #key(key: string, keyed: Keyed): void {
    this.#keys.set(key, keyed)
    this.#keyedAsks.set(keyed.ask, keyed)
  }

  #forgetKey(key: string): void {
    const keyed = this.#keys.get(key)
    if (keyed === undefined) return
    this.#keys.delete(key)
    if (this.#keyedAsks.get(keyed.ask) === keyed) this.#keyedAsks.delete(keyed.ask)
  }

  #open(ask: OpenAsk): void {
    this.#asks.set(ask.id, ask)
    if (ask.expires !== undefined) this.#asksLastUntil = Math.min(this.#asksLastUntil, ask.expires + CLIENT_MS)
    const client = this.#clients.get(clientOf(ask.id))
    if (client !== undefined) client.asks += 1
  }

  #close(ask: string): void {
    if (this.#asks.size === 0 || !this.#asks.delete(ask)) return
    const client = this.#clients.get(clientOf(ask))
    if (client !== undefined) client.asks -= 1
  }

  #forgetSettledAsks(client: string, settled: number, at: number): void {
    for (const ask of this.#asks.values()) {
      if (clientOf(ask.id) === client && numberOf(ask.id) <= settled && !isWaiting(ask, at)) this.#close(ask.id)
    }
  }

  #applySupervision({ at, error, supervision }: Step): void {
    if (supervision === undefined) return
    const { directive, failures, child, escalated } = supervision
    if (child !== undefined && escalated !== true) {
      if (directive !== 'stop') this.#childFailures = [...this.#childFailures, at].slice(-failures)
      return
    }
    this.#failures = [...this.#failures, at].slice(-failures)
    this.#childFailures = []
    if (directive === 'stop') this.#life = { kind: 'stopped' }
    if (directive === 'quarantine') this.#life = { kind: 'quarantined', reason: error?.message ?? 'failed too often' }
  }

  #applyOrder(order: Order['kind'], at: number): void {
    this.#failures = []
    this.#childFailures = []
    this.#life = order === 'destroy' ? { kind: 'destroyed', at } : { kind: 'active' }
  }

  #settle(ask: string, answer: Answer, at: number): void {
    this.#close(ask)
    const client = this.#client(clientOf(ask), at)
    const n = numberOf(ask)
    if (n > client.settled) client.answers.keep({ n, ...answer })
    const keyed = this.#keyedAsks.get(ask)
    if (keyed !== undefined) keyed.answer = answer
  }

  #client(name: string, at: number): Client {
    const client = this.#clients.get(name) ?? { settled: 0, at, answers: new KeptAnswers(), asks: 0 }
    client.at = at
    if (name === this.#newest) return client
    this.#newest = name
    this.#clients.delete(name)
    this.#clients.set(name, client)
    return client
  }

  #forget(at: number): void {
    if (this.#asksLastUntil < at) this.#forgetAsks(at)
    for (const [key, keyed] of this.#keys) {
      if (keyed.at + KEY_MS >= at) break
      this.#forgetKey(key)
    }
    for (const [name, client] of this.#clients) {
      if (client.at + CLIENT_MS >= at) break
      if (client.asks > 0) continue
      this.#clients.delete(name)
      if (name === this.#newest) this.#newest = ''
    }
  }

  #forgetAsks(at: number): void {
    this.#asksLastUntil = Number.POSITIVE_INFINITY
    for (const { id, expires } of this.#asks.values()) {
      if (expires === undefined) continue
      if (expires + CLIENT_MS < at) this.#close(id)
      else this.#asksLastUntil = Math.min(this.#asksLastUntil, expires + CLIENT_MS)
    }
  }

  /** How the actor's end answers a message; undefined while it lives. */
  endedWith(address: string): TroupeError | undefined {
    switch (this.#life.kind) {
      case 'active':
        return undefined
      case 'done':
        return new ActorDone(`'${address}' has reached its final state`, { output: this.#life.output })
      case 'stopped':
        return new ActorStopped(`'${address}' has stopped`)
      case 'destroyed':
        return new ActorDestroyed(`'${address}' was destroyed at ${new Date(this.#life.at).toISOString()}`)
      case 'quarantined':
        return new ActorQuarantined(`'${address}' failed more often than its supervision allows: ${this.#life.reason}`)
    }
  }

  get life(): Life {
    return this.#life
  }
  /** Asks without an answer, those included whose asker has stopped waiting. */
  get asks(): readonly OpenAsk[] {
    return [...this.#asks.values()]
  }
  get sends(): readonly OpenSend[] {
    return [...this.#sends.values()]
  }
  get mail(): MailCursor | undefined {
    return this.#mail
  }
  /** The message that was being tried when this was recorded. */
  get attempt(): Step['attempt'] {
    return this.#attempt
  }
  get failures(): readonly number[] {
    return this.#failures
  }
  get childFailures(): readonly number[] {
    return this.#childFailures
  }

  #clientsState(): SettlementState['clients'] {
    const clients: [string, SettlementState['clients'][string]][] = []
    for (const [name, { settled, at, answers }] of this.#clients) {
      clients.push([name, { settled, at, answers: answers.state() }])
    }
    return Object.fromEntries(clients) // a client may be named '__proto__'
  }

  state(): SettlementState {
    return {
      clients: this.#clientsState(),
      keys: Object.fromEntries(this.#keys),
      asks: this.asks,
      sends: this.sends,
      sendCount: this.#sendCount,
      failures: this.#failures,
      ...(this.#childFailures.length > 0 && { childFailures: this.#childFailures }),
      life: this.#life,
      ...(this.#mail !== undefined && { mail: this.#mail }),
      ...(this.#attempt !== undefined && { attempt: this.#attempt }),
    }
  }
}

function isWaiting(ask: OpenAsk, at: number): boolean {
  return ask.expires === undefined || ask.expires >= at
}

const clientOf = (ask: string): string => ask.slice(0, ask.lastIndexOf(':'))
const numberOf = (ask: string): number => Number(ask.slice(ask.lastIndexOf(':') + 1))

/** JSON does not keep the order of keys that look like numbers. */
function byTime<T extends { readonly at: number }>(entries: { readonly [name: string]: T }): [string, T][] {
  return Object.entries(entries).sort(([, a], [, b]) => a.at - b.at)
}

/** A letter that was refused before the tree could see it: a key on it stands for nothing. */
function wasLookedAt({ input, outcome, supervision }: Step): boolean {
  return input.kind !== 'message' || outcome !== 'error' || supervision !== undefined
}

/** What an idempotency key stands for. */
function saidIn(input: Step['input']): Json | undefined {
  if (input.kind === 'operator') return input.order
  return 'event' in input ? input.event : undefined
}

export function eventType(input: Step['input']): string {
  if (!('event' in input)) return input.kind
  const { event } = input
  if (typeof event !== 'object' || event === null || Array.isArray(event)) return input.kind
  const type = 'type' in event ? event['type'] : undefined
  return typeof type === 'string' ? type : input.kind
}
