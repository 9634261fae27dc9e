/**
 * The turn: what one activated actor does with what it receives.
 *
 *     receive → pure transition → append the steps to the log (fenced) → acknowledge, send, run effects
 *
 * Owns one actor's mailbox, its live tree, its settlement and its place in the journal. Knows the world through ports.
 *
 * 1. One turn at a time. What arrives during an append waits; the next turn commits up to 256 messages, 256 KB or 10 ms of
 *    them as one append (group commit). A step that fails ends its group.
 * 2. A step is one input and all that follows from it in the tree; it sees one `now`, never earlier than the last.
 * 3. One append = one record on the actor's subject, expected to follow the last one; its identity includes the writer.
 * 4. Nothing leaves before the append is acknowledged: no reply, refusal, send, emit, effect or timer.
 * 5. An unknown outcome is resolved by the log (`append.ts`); when another writer is found, what was not released is dropped
 *    and its askers are told `Moved`, outcome unknown.
 * 6. The state after a group goes into its append when it is small (4 KB), and at the latest every 100 steps or 256 KB.
 * 7. A command id that was applied is answered from the record, never applied again (`settlement.ts`).
 */
import type { AnyActorDef } from './actor.ts'
import type { Address } from './address.ts'
import { append } from './append.ts'
import { decode, encode, HASH_VERSION, hashOf, hashOfBytes, isFlat, type Json } from './codec.ts'
import { answerToWire, type Envelope, type EnvelopeCause, type WireAnswer } from './envelope.ts'
import {
  ActorFailed,
  AskUnanswered,
  assertNever,
  EventNotAccepted,
  InvalidEvent,
  LogDamaged,
  LogUnavailable,
  MailboxFull,
  MessageTooLarge,
  Moved,
  SystemStopped,
  TooManyOutstanding,
  TroupeError,
  toWire,
} from './errors.ts'
import { actorState } from './fold.ts'
import { type HostState, type Input, type Intent, LogicHost, type Origin, type Outcome } from './logic-host.ts'
import { Mailbox } from './mailbox.ts'
import { type Clock, type Entropy, type Journal, PAYLOAD_BYTES, type Timer } from './ports.ts'
import { recover } from './recovery.ts'
import type { EffectRuntime } from './runtime.ts'
import { parse } from './schema.ts'
import { ANSWERS_PER_CLIENT, eventType, type OpenSend, Settlement } from './settlement.ts'
import { type Activation, type Answer, askIdOf, encodeRecord, type JournalRecord, type Step, stepId } from './step.ts'
import { directive } from './supervision.ts'

const GROUP_MESSAGES = 256
const GROUP_BYTES = 256 * 1024
const GROUP_MS = 10
const SMALL_STATE_BYTES = 4 * 1024
/** A delivered send that no step has taken along gets a step of its own: nobody may send it again days later. */
const SETTLE_MS = 5_000
const STATE_EVERY_STEPS = 100
const STATE_EVERY_BYTES = 256 * 1024

export type Route = (answer: WireAnswer) => void

interface Received {
  readonly envelope: Envelope
  readonly route: Route
  readonly sizeBytes: number
  /** Monotonic. */
  readonly arrivedAt: number
}

interface SystemInput {
  readonly input: Input
  readonly origin: Origin
}

/** What a resident needs of its node. */
export interface ResidentOptions {
  readonly address: Address
  readonly def: AnyActorDef
  readonly logicHash: string
  readonly epoch: number
  readonly subject: string
  readonly activation: Activation
  readonly journal: Journal
  readonly clock: Clock
  readonly entropy: Entropy
  readonly runtime: EffectRuntime
  readonly onEmit: (event: Json, step: string) => void
  /** Delivers one send; all of this actor's sends to that receiver up to `settled` are over. True when the receiver has committed it or will never take it, false when this node stopped first. */
  readonly onSend: (send: OpenSend, settled: number) => Promise<boolean>
  readonly onLog: (text: string, data: object) => void
  /** This incarnation is over; the node forgets it. `fenced`: another writer has the actor. */
  readonly onLost: (why: TroupeError, fenced: boolean) => void
}

type Phase = 'activating' | 'running' | 'paused' | 'lost'

/** What a group of steps will release once it is committed. */
interface Group {
  readonly steps: Step[]
  readonly releases: (() => void)[]
  readonly intents: Intent[]
  sizeBytes: number
  /** Append even without steps: a fenced read. */
  forced: boolean
  pauseMs?: number
}

export class Resident {
  readonly #o: ResidentOptions
  readonly #mailbox: Mailbox<SystemInput, Received>
  readonly #writer: string
  /** Askers connected to this node, by ask id; never part of the state. */
  readonly #routes = new Map<string, Route[]>()
  #host: LogicHost | undefined
  /** The tree after the last good step: what a failed step falls back to. */
  #good: HostState | undefined
  #settlement = new Settlement()
  #phase: Phase = 'activating'
  #turning = false
  #draining = false
  /** The turn or activation under way, or the last one. */
  #current: Promise<void> = Promise.resolve()
  /** Whether the record in flight carries the state. */
  #carriesState = false
  /** Timers that have fired and wait in the mailbox. */
  readonly #fired = new Set<number>()
  #position = 0
  #prev = ''
  #seq = 0
  #at = 0
  #base = 0
  #sinceState = { steps: 0, bytes: 0 }
  readonly #sending = new Set<number>()
  readonly #delivered = new Set<number>()
  #settler: Timer | undefined
  /** The tree of a failed step, until what its good steps intended is released. */
  #broken: LogicHost | undefined
  #timer: Timer | undefined
  #lastActive: number

  constructor(options: ResidentOptions) {
    this.#o = options
    this.#writer = options.entropy.hex(128)
    const { messages = 1_000, bytes = 16 * 1024 * 1024 } = options.def.mailbox ?? {}
    this.#mailbox = new Mailbox({ messages, bytes })
    this.#lastActive = options.clock.monotonic()
  }

  // ── Life ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads the state, appends the activation (the fence), takes up what is open. Losing the race ends in `onLost`. */
  activate(cause: EnvelopeCause): Promise<void> {
    this.#current = this.#activate(cause)
    return this.#current
  }

  async #activate(cause: EnvelopeCause): Promise<void> {
    try {
      await this.#recover()
      const group = newGroup()
      if (this.#good === undefined && this.#settlement.life.kind === 'active') this.#initialise(cause, group)
      else group.forced = true
      this.#turning = true
      if (!(await this.#commit(group, this.#o.activation))) return
      this.#phase = 'running'
      this.#release(group)
      if (this.#phase === 'running') this.#takeUp()
    } catch (error) {
      this.#lose(
        error instanceof TroupeError
          ? error
          : new LogUnavailable(`'${this.#o.address}' could not be activated`, {}, error),
      )
    } finally {
      this.#turning = false
      this.#schedule()
    }
  }

  async #recover(): Promise<void> {
    const { address, def, journal, subject, epoch, logicHash } = this.#o
    if (def.persistence === 'volatile') return
    const found = await recover(journal, subject, address, def, logicHash)
    if (found.epoch > epoch)
      throw new Moved(`'${address}' was activated in epoch ${found.epoch}; this node has ${epoch}`)
    this.#position = found.position
    this.#prev = found.prev
    this.#seq = found.seq
    this.#at = found.at
    this.#base = found.base
    this.#settlement = found.settlement
    this.#good = found.host
    if (found.host !== undefined) {
      this.#host = this.#newHost()
      this.#host.restore(found.host)
    }
  }

  /** Starts effects that were running, sends what was not delivered, arms timers. */
  #takeUp(): void {
    for (const send of this.#settlement.sends) this.#deliver(send)
    if (this.#settlement.life.kind !== 'active') return
    this.#host?.resume()
    this.#armTimer()
  }

  /** No more turns: ends effects, answers whoever waits. */
  stop(): void {
    this.#lose(new SystemStopped(`the node that hosted '${this.#o.address}' has stopped; ask again`), false)
  }

  /** Finishes the append under way and leaves the state where one read finds it. */
  async drain(): Promise<void> {
    this.#draining = true
    await this.#current
    if (this.#phase === 'running' && (this.#base !== this.#position || this.#delivered.size > 0)) {
      const group = newGroup()
      if (this.#delivered.size > 0) this.#settleStep(group)
      await this.#commit(group, undefined)
    }
    this.#lose(new Moved(`'${this.#o.address}' moves to another node`))
  }

  /** True when leaving memory loses nothing that nobody else would take up. */
  idleSince(monotonic: number): boolean {
    const sends = this.#settlement.sends.length - this.#delivered.size
    const open = this.#settlement.waiting(this.#o.clock.now()) + sends
    const running = (this.#host?.openEffects ?? 0) + (this.#host?.openTimers ?? 0)
    const busy = this.#turning || !this.#mailbox.empty || this.#phase === 'activating' || this.#phase === 'paused'
    return (
      !busy && open === 0 && running === 0 && this.#lastActive <= monotonic && this.#o.def.persistence !== 'volatile'
    )
  }

  #lose(why: TroupeError, fenced = false): void {
    if (this.#phase === 'lost') return
    this.#phase = 'lost'
    this.#timer?.cancel()
    this.#settler?.cancel()
    this.#host?.close()
    this.#broken?.close()
    const answer: WireAnswer = { v: 1, ok: false, error: toWire(why) }
    const untouched: WireAnswer = { v: 1, ok: false, error: { ...toWire(why), applied: 'no' } }
    for (const { route } of this.#mailbox.drain())
      route(why instanceof Moved || why instanceof SystemStopped ? untouched : answer)
    for (const routes of this.#routes.values()) for (const route of routes) route(answer)
    this.#routes.clear()
    this.#o.onLost(why, fenced)
  }

  // ── Receiving ───────────────────────────────────────────────────────────────────────────────────────────────────────

  receive(envelope: Envelope, route: Route, sizeBytes: number): void {
    if (this.#phase === 'lost' || this.#draining) {
      return route({ v: 1, ok: false, error: toWire(new Moved(`'${this.#o.address}' moves to another node`)) })
    }
    this.#lastActive = this.#o.clock.monotonic()
    if (!this.#mailbox.offer({ envelope, route, sizeBytes, arrivedAt: this.#lastActive })) {
      const error = new MailboxFull(
        `'${this.#o.address}' has ${this.#mailbox.depth} messages waiting; send slower or later`,
      )
      return route({ v: 1, ok: false, error: toWire(error) })
    }
    this.#schedule()
  }

  #receiveSystem(input: Input, origin: Origin | undefined): void {
    if (this.#phase === 'lost') return
    const id = stepId(this.#o.address, this.#o.epoch, this.#seq)
    this.#mailbox.offerSystem({ input, origin: origin ?? { step: id, correlation: id } })
    this.#schedule()
  }

  #schedule(): void {
    if (this.#turning || this.#phase !== 'running' || this.#draining) return
    if (this.#mailbox.empty && !this.#settleDue) return
    this.#turning = true
    this.#current = Promise.resolve().then(() => this.#turn())
  }

  // ── The turn ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #turn(): Promise<void> {
    try {
      while (this.#phase === 'running' && !this.#draining && !(this.#mailbox.empty && !this.#settleDue)) {
        const group = this.#group()
        const committed = group.steps.length === 0 && !group.forced ? true : await this.#commit(group, undefined)
        if (!committed) return
        this.#release(group)
      }
    } catch (error) {
      this.#lose(new ActorFailed(`the runtime failed in a turn of '${this.#o.address}'`, {}, error))
      throw error
    } finally {
      this.#turning = false
    }
    this.#schedule()
  }

  #group(): Group {
    const group = newGroup()
    const until = this.#o.clock.monotonic() + GROUP_MS
    while (group.steps.length < GROUP_MESSAGES && group.sizeBytes < GROUP_BYTES && group.pauseMs === undefined) {
      const system = this.#mailbox.takeSystem()
      if (system !== undefined) this.#systemStep(system, group)
      else {
        const received = this.#mailbox.takeUser()
        if (received === undefined) break
        group.sizeBytes += received.sizeBytes
        this.#userStep(received, group)
      }
      if (this.#settlement.life.kind !== 'active' && group.steps.length > 0) break
      if (this.#o.clock.monotonic() >= until) break
    }
    if (group.steps.length === 0 && this.#settleDue) this.#settleStep(group)
    return group
  }

  get #settleDue(): boolean {
    return this.#delivered.size > 0 && this.#settler === undefined
  }

  #userStep(received: Received, group: Group): void {
    const { envelope, route } = received
    const { address, def } = this.#o
    if (envelope.kind === 'view') {
      if (envelope.fenced) group.forced = true
      group.releases.push(() => route({ v: 1, ok: true, value: this.view() }))
      return
    }
    const { command, key, cause } = envelope
    const refuse = (error: TroupeError) => {
      group.releases.push(() => route({ v: 1, ok: false, error: toWire(error) }))
    }
    if (command !== undefined) {
      const known = this.#settlement.look(command, key, envelope.event)
      switch (known.kind) {
        case 'answered':
          group.releases.push(() => route(answerToWire(known.answer)))
          return
        case 'open':
          this.#attach(known.ask, route)
          return
        case 'refused':
          return refuse(known.error)
        case 'new':
          break
        default:
          assertNever(known)
      }
      if (this.#settlement.outstanding(command) >= ANSWERS_PER_CLIENT) {
        return refuse(
          new TooManyOutstanding(
            `client '${command.client}' has ${ANSWERS_PER_CLIENT} unsettled commands at '${address}'`,
          ),
        )
      }
    }
    const ended = this.#settlement.endedWith(address)
    if (ended !== undefined) return refuse(ended)
    let event: Json
    try {
      event = validated(def, envelope.event)
    } catch (error) {
      return refuse(error instanceof TroupeError ? error : new InvalidEvent(String(error)))
    }
    const id = stepId(address, this.#o.epoch, this.#seq + 1)
    const wants = eventType({ kind: 'message', path: '', event }) in def.protocol.replies ? 'reply' : 'commit'
    const ask = command === undefined || wants === 'commit' ? undefined : askIdOf(command)
    const root = ask === undefined ? {} : { ask, askType: eventType({ kind: 'message', path: '', event }) }
    const waitedMs = Math.round(this.#o.clock.monotonic() - received.arrivedAt)
    const now = this.#now()
    const remaining = envelope.remainingMs === undefined ? undefined : Math.ceil(now + envelope.remainingMs - waitedMs)
    const step: Omit<Step, 'outcome'> = {
      seq: this.#seq + 1,
      at: now,
      input: { kind: 'message', path: '', event },
      cause: { ...cause, ...root },
      mailbox: { waitedMs, depth: this.#mailbox.depth },
      ...(command !== undefined && {
        command: {
          ...command,
          wants,
          ...(key !== undefined && { key }),
          ...(remaining !== undefined && { expires: remaining }),
        },
      }),
    }
    const origin = { step: id, correlation: cause.correlation, ...root }
    if (command !== undefined) this.#attach(askIdOf(command), route)
    this.#apply(step, origin, group)
  }

  #systemStep({ input, origin }: SystemInput, group: Group): void {
    if (input.kind === 'timer') this.#fired.delete(input.timer)
    if (this.#settlement.life.kind !== 'active') return
    const id = stepId(this.#o.address, this.#o.epoch, this.#seq + 1)
    const effect = 'from' in input && input.from !== undefined ? this.#host?.effectAt(input.from) : undefined
    const evidence = 'evidence' in input && input.evidence !== undefined ? { evidence: input.evidence } : {}
    const cause = {
      causation: origin.step,
      correlation: origin.correlation,
      ...(origin.ask !== undefined && { ask: origin.ask }),
      ...(origin.askType !== undefined && { askType: origin.askType }),
    }
    const step: Omit<Step, 'outcome'> = {
      seq: this.#seq + 1,
      at: this.#now(),
      input: withoutEvidence(input),
      cause,
      ...(effect !== undefined && { effect: { ...effect, ...evidence } }),
    }
    this.#apply(step, { ...origin, step: id }, group)
  }

  #initialise(cause: EnvelopeCause, group: Group): void {
    const { address, def, epoch } = this.#o
    const key = address.slice(def.protocol.type.length + 1)
    const id = stepId(address, epoch, this.#seq + 1)
    const event = { type: def.protocol.type, key }
    const step = { seq: this.#seq + 1, at: this.#now(), input: { kind: 'init' as const, event }, cause }
    this.#apply(step, { step: id, correlation: cause.correlation }, group)
  }

  /** Runs one step on the live tree and notes what it will release. */
  #apply(step: Omit<Step, 'outcome'>, origin: Origin, group: Group): void {
    const host = (this.#host ??= this.#newHost())
    const before = step.input.kind === 'init' ? null : host.stateValue()
    let outcome: Outcome
    let good: HostState | undefined
    try {
      outcome = host.step(step.input, step.at, origin)
      if (outcome.status !== 'error') good = host.state()
    } catch (error) {
      outcome = { status: 'error', error, draws: [], made: {}, intents: [] }
    }
    const finished =
      outcome.rejected !== undefined
        ? this.#rejected(step, outcome.rejected)
        : outcome.status === 'error'
          ? this.#failed(step, outcome.error, group)
          : this.#applied(step, outcome, before, origin.step)
    if (finished.outcome === 'applied') {
      this.#good = good
      group.intents.push(...outcome.intents)
    }
    const complete: Step = { ...finished, ...this.#takeDelivered() }
    this.#seq = step.seq
    this.#at = step.at
    this.#settlement.apply(complete, origin.step)
    group.steps.push(complete)
    this.#noteReleases(complete, origin.step, group)
  }

  #takeDelivered(): { delivered?: number[] } {
    if (this.#delivered.size === 0) return {}
    const delivered = [...this.#delivered]
    this.#delivered.clear()
    this.#settler?.cancel()
    this.#settler = undefined
    return { delivered }
  }

  /** Nothing happens but that sends are over. */
  #settleStep(group: Group): void {
    const id = stepId(this.#o.address, this.#o.epoch, this.#seq + 1)
    const cause = { causation: stepId(this.#o.address, this.#o.epoch, this.#seq), correlation: id }
    const input = { kind: 'settled' } as const
    const step: Step = {
      seq: this.#seq + 1,
      at: this.#now(),
      input,
      cause,
      outcome: 'applied',
      ...this.#takeDelivered(),
    }
    this.#seq = step.seq
    this.#at = step.at
    this.#settlement.apply(step, id)
    group.steps.push(step)
  }

  #noteReleases(step: Step, id: string, group: Group): void {
    for (const { ask, answer } of step.answers ?? []) group.releases.push(() => this.#answer(ask, answer))
    if (step.outcome !== 'applied') return
    for (const send of this.#settlement.sends) if (send.step === id) group.releases.push(() => this.#deliver(send))
  }

  #applied(step: Omit<Step, 'outcome'>, outcome: Outcome, before: Json, id: string): Step {
    const value = this.#host?.stateValue() ?? null
    const answers = this.#answersOf(step, outcome, id)
    const view = outcome.status === 'active' ? undefined : this.#host?.view()
    const { draws, made } = outcome
    return {
      ...step,
      outcome: 'applied',
      ...(draws.length > 0 && { draws }),
      ...(Object.keys(made).length > 0 && { made }),
      ...(!same(before, value) && { decided: { before, after: value } }),
      ...(answers.length > 0 && { answers }),
      ...(view !== undefined && { ended: { kind: view.status === 'done' ? 'done' : 'stopped', output: view.output } }),
    }
  }

  /** The asks this step ends: by its replies, by being committed, or because the actor has ended. */
  #answersOf(step: Omit<Step, 'outcome'>, outcome: Outcome, id: string): { ask: string; answer: Answer }[] {
    const answers: { ask: string; answer: Answer }[] = []
    const own = step.command?.wants === 'reply' ? askIdOf(step.command) : undefined
    const told = new Set<string>()
    const tell = (ask: string, answer: Answer) => {
      if (!told.has(ask)) answers.push({ ask, answer })
      told.add(ask)
    }
    for (const { type, value, to } of outcome.made.replies ?? []) {
      // This step's own ask becomes part of the settlement only when the step is applied to it.
      const mine = own !== undefined && eventType(step.input) === type ? [own] : []
      const open =
        to === 'cause' && mine.length > 0 ? mine : [...this.#settlement.asksFor(type, to, step.cause, step.at), ...mine]
      for (const ask of to === 'all' ? open : open.slice(0, 1)) tell(ask, { ok: true, value, step: id })
    }
    if (step.command?.wants === 'commit') tell(askIdOf(step.command), { ok: true, value: null, step: id })
    if (outcome.status !== 'active') {
      const error = toWire(new AskUnanswered(`'${this.#o.address}' ended without answering`))
      const open = [...this.#settlement.asks.map((ask) => ask.id), ...(own === undefined ? [] : [own])]
      for (const ask of open) tell(ask, { ok: false, error, step: id })
    }
    return answers
  }

  #rejected(step: Omit<Step, 'outcome'>, { reason, accepts }: NonNullable<Outcome['rejected']>): Step {
    const type = eventType(step.input)
    const why = reason === 'guard' ? 'its guards refuse it now' : 'its present state has no transition for it'
    const known = accepts.length > 0 ? accepts.join(', ') : 'nothing'
    const error = new EventNotAccepted(`'${this.#o.address}' does not take '${type}': ${why}; it takes ${known}`, {
      type,
      reason,
      accepts,
    })
    return this.#refusedStep(step, 'rejected', error)
  }

  #refusedStep(step: Omit<Step, 'outcome'>, outcome: 'rejected' | 'error', error: TroupeError): Step {
    const id = stepId(this.#o.address, this.#o.epoch, step.seq)
    const wire = toWire(error)
    const answers =
      step.command === undefined
        ? []
        : [{ ask: askIdOf(step.command), answer: { ok: false as const, error: wire, step: id } }]
    return { ...step, outcome, error: wire, ...(answers.length > 0 && { answers }) }
  }

  /** The failed step is recorded with its directive; the tree goes back to the last good state. */
  #failed(step: Omit<Step, 'outcome'>, error: unknown, group: Group): Step {
    const { address, def, entropy } = this.#o
    const decision = directive(def.supervision ?? {}, this.#settlement.failures, step.at, entropy.random())
    const message = error instanceof Error ? error.message : String(error)
    const failure = new ActorFailed(`a step of '${address}' failed: ${message}`, { failure: encode(toError(error)) })
    this.#broken = this.#host
    this.#host = undefined
    if (this.#good !== undefined) {
      this.#host = this.#newHost()
      this.#host.restore(this.#good)
    }
    group.pauseMs = decision.kind === 'restart' ? decision.inMs : 0
    const { failures } = decision
    const supervision =
      decision.kind === 'restart'
        ? { directive: decision.kind, failures, inMs: decision.inMs }
        : { directive: decision.kind, failures }
    const refused = this.#refusedStep(step, 'error', failure)
    if (decision.kind === 'restart') return { ...refused, supervision }
    const own = refused.answers ?? []
    const others = this.#settlement.asks.filter(({ id }) => own.every(({ ask }) => ask !== id))
    const unanswered = toWire(new AskUnanswered(`'${address}' ended without answering`))
    const answer: Answer = { ok: false, error: unanswered, step: stepId(address, this.#o.epoch, step.seq) }
    return { ...refused, supervision, answers: [...own, ...others.map(({ id }) => ({ ask: id, answer }))] }
  }

  // ── Commit and release ──────────────────────────────────────────────────────────────────────────────────────────────

  async #commit(group: Group, activated: Activation | undefined): Promise<boolean> {
    const { journal, clock, subject, def } = this.#o
    if (def.persistence === 'volatile') return true
    const bytes = this.#bytes(this.#record(group, activated))
    const goOn = () => this.#phase !== 'lost'
    const fate = await append(journal, clock, { subject, expected: this.#position, bytes, goOn })
    switch (fate.kind) {
      case 'committed': {
        this.#position = fate.position
        this.#prev = hashOfBytes(bytes)
        if (this.#carriesState) this.#base = fate.position
        return true
      }
      case 'fenced':
        this.#lose(new Moved(`'${this.#o.address}' has another writer now`), true)
        return false
      case 'damaged':
        this.#o.onLog('log damaged', { actor: this.#o.address, why: fate.why })
        this.#lose(new LogDamaged(`'${this.#o.address}': ${fate.why}`), true)
        return false
      case 'refused':
        this.#lose(refusal(this.#o.address, fate.cause))
        return false
      case 'abandoned':
        return false
      default:
        return assertNever(fate)
    }
  }

  /** A state that does not fit beside its steps stays where it is, and the tail behind it grows. */
  #bytes(record: JournalRecord): Uint8Array {
    const bytes = encodeRecord(record)
    if (bytes.length <= PAYLOAD_BYTES || record.state === undefined || this.#base === 0) return bytes
    const { state: _, ...rest } = record
    this.#carriesState = false
    return encodeRecord({ ...rest, base: this.#base })
  }

  #record(group: Group, activated: Activation | undefined): JournalRecord {
    const { address, epoch, def, logicHash } = this.#o
    const state = actorState(this.#good, this.#settlement, this.#seq, this.#at, def.version ?? 1)
    const sizeBytes = JSON.stringify(state).length
    this.#sinceState.steps += group.steps.length
    this.#sinceState.bytes += group.sizeBytes
    const overdue = this.#sinceState.steps >= STATE_EVERY_STEPS || this.#sinceState.bytes >= STATE_EVERY_BYTES
    this.#carriesState = sizeBytes <= SMALL_STATE_BYTES || overdue || activated !== undefined || this.#draining
    if (this.#carriesState) this.#sinceState = { steps: 0, bytes: 0 }
    return {
      v: 1,
      actor: address,
      epoch,
      writer: this.#writer,
      prev: this.#prev,
      logic: logicHash,
      ...(activated !== undefined && { activated }),
      steps: group.steps,
      ...(this.#carriesState && { state }),
      base: this.#carriesState ? 0 : this.#base,
      hash: hashOf(state),
      hashVersion: HASH_VERSION,
      open: {
        asks: this.#settlement.waiting(this.#at),
        effects: this.#host?.openEffects ?? 0,
        timers: this.#host?.openTimers ?? 0,
        sends: this.#settlement.sends.length,
      },
    }
  }

  #release(group: Group): void {
    for (const release of group.releases) release()
    if (group.pauseMs === undefined) {
      this.#host?.release(group.intents)
      this.#armTimer()
      return
    }
    // The group ended in a failure; what its good steps intended still stands. Their effects begin with the restart.
    this.#broken?.release(group.intents.filter((intent) => intent.kind === 'action' || intent.kind === 'emit'))
    this.#broken?.close()
    this.#broken = undefined
    if (this.#settlement.life.kind !== 'active') {
      this.#host?.close()
      return
    }
    this.#phase = 'paused'
    this.#o.clock.after(group.pauseMs, () => this.#restart())
  }

  /** After the pause that supervision ordered: effects begin again, messages are taken again. */
  #restart(): void {
    if (this.#phase !== 'paused') return
    this.#phase = 'running'
    if (this.#host !== undefined) this.#takeUp()
    else {
      const id = stepId(this.#o.address, this.#o.epoch, this.#seq)
      const key = this.#o.address.slice(this.#o.def.protocol.type.length + 1)
      const event = { type: this.#o.def.protocol.type, key }
      this.#receiveSystem({ kind: 'init', event }, { step: id, correlation: id })
    }
    this.#schedule()
  }

  #attach(ask: string, route: Route): void {
    const routes = this.#routes.get(ask)
    if (routes === undefined) this.#routes.set(ask, [route])
    else routes.push(route)
  }

  #answer(ask: string, answer: Answer): void {
    const wire = answerToWire(answer)
    for (const route of this.#routes.get(ask) ?? []) route(wire)
    this.#routes.delete(ask)
  }

  /** Called with the committed state: what it no longer lists is known to be over after any crash. */
  #deliver(send: OpenSend): void {
    if (this.#sending.has(send.n)) return
    this.#sending.add(send.n)
    const settled = Math.min(...this.#settlement.sends.filter(({ to }) => to === send.to).map(({ n }) => n)) - 1
    void this.#o.onSend(send, settled).then((over) => {
      this.#sending.delete(send.n)
      if (!over || this.#phase === 'lost') return
      this.#delivered.add(send.n)
      // Usually the next step takes it along.
      this.#settler ??= this.#o.clock.after(SETTLE_MS, () => {
        this.#settler = undefined
        this.#schedule()
      })
    })
  }

  #armTimer(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const due = this.#host?.nextDue(this.#fired)
    if (due === undefined || this.#phase !== 'running') return
    this.#timer = this.#o.clock.after(Math.max(0, due - this.#o.clock.now()), () => this.#fire())
  }

  #fire(): void {
    const host = this.#host
    if (host === undefined || this.#phase !== 'running') return
    for (const timer of host.due(this.#o.clock.now())) {
      if (this.#fired.has(timer)) continue
      this.#fired.add(timer)
      this.#receiveSystem({ kind: 'timer', timer }, host.originOf({ kind: 'timer', timer }))
    }
    this.#armTimer()
  }

  #now(): number {
    return Math.max(this.#o.clock.now(), this.#at)
  }

  #newHost(): LogicHost {
    const { address, def, entropy, runtime, onEmit, onLog } = this.#o
    return new LogicHost({
      address,
      logic: def.logic,
      runtime,
      random: () => entropy.random(),
      onInput: (input, origin) => this.#receiveSystem(input, origin),
      onEmit: (_path, event) => onEmit(event, stepId(address, this.#o.epoch, this.#seq)),
      onLog: (path, args) => onLog(`${address}${path}`, { args }),
      ...(def.resume !== undefined && { resume: def.resume }),
    })
  }

  /** The committed state as plain data; only called when no append is in flight. */
  view(): Json {
    const { life } = this.#settlement
    const seen = this.#host?.view() ?? { status: 'active', value: null, context: null, output: null, tags: [] }
    const status = life.kind === 'quarantined' ? 'error' : life.kind === 'active' ? seen.status : life.kind
    return { ...seen, status, seq: this.#seq }
  }
}

function refusal(address: Address, cause: Error): TroupeError {
  const what = `the journal refused a step of '${address}': ${cause.message}`
  // Asking again would meet the same refusal; nothing was stored.
  return cause instanceof MessageTooLarge ? new MessageTooLarge(what, {}, cause) : new LogUnavailable(what, {}, cause)
}

function newGroup(): Group {
  return { steps: [], releases: [], intents: [], sizeBytes: 0, forced: false }
}

/** The event as the protocol's schema makes it; encoded again, so that what is recorded is what the machine sees. */
function validated(def: AnyActorDef, event: Json): Json {
  const value = isFlat(event) ? event : decode(event)
  if (typeof value !== 'object' || value === null || !('type' in value)) throw new InvalidEvent('an event needs a type')
  const { type, ...payload } = value
  const schema = typeof type === 'string' ? def.protocol.events[type] : undefined
  if (schema === undefined || typeof type !== 'string') {
    const known = Object.keys(def.protocol.events)
    throw new InvalidEvent(`'${def.protocol.type}' has no event '${String(type)}'; it has ${known.join(', ')}`, {
      known,
    })
  }
  const parsed = parse(schema, payload, `event '${type}' of '${def.protocol.type}'`)
  if (typeof parsed !== 'object' || parsed === null) throw new InvalidEvent(`event '${type}' must be a record`)
  return encode({ ...parsed, type })
}

function withoutEvidence(input: Input): Input {
  if (!('evidence' in input)) return input
  const { evidence: _, ...rest } = input
  return rest
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

function same(a: Json, b: Json): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b)
}
