/**
 * Makes steps: runs one input on the live tree and says what came of it as a record.
 *
 * Owns what an actor is between turns: its tree, its settlement, the number and time of its last step. Knows no journal and no
 * mailbox; the turn commits what is made here and releases it afterwards.
 *
 * 1. A step is one input and all that follows from it in the tree; it sees one `now`, never earlier than the last.
 * 2. A step that fails changes nothing but the settlement: the tree goes back to the last good state, and the directive of
 *    supervision is part of the same record.
 * 3. Every ask that a step ends is named in it: by its replies, by being committed, or because the actor has ended.
 */
import type { AnyActorDef } from './actor.ts'
import type { Address } from './address.ts'
import { answersOf, unanswered } from './answers.ts'
import { encode, isEqual, type Json } from './codec.ts'
import type { Envelope, EnvelopeCause } from './envelope.ts'
import { ActorFailed, EventNotAccepted, type TroupeError, toWire } from './errors.ts'
import { letterExpired } from './expiry.ts'
import { actorState, stateView } from './fold.ts'
import type { Input, Intent, Made, Origin, Outcome } from './input.ts'
import { LastGood } from './last-good.ts'
import { type HostState, LogicHost } from './logic-host.ts'
import type { Clock, Entropy } from './ports.ts'
import type { Recovered } from './recovery.ts'
import type { EffectRuntime } from './runtime.ts'
import { eventType, Settlement } from './settlement.ts'
import { type ActorState, askIdOf, type EndedAsk, type EndedWith, type Step, type StepId, stepId } from './step.ts'
import { decide, fateOfTree, keepsInput, type Order, type TreeFate } from './supervision.ts'
import { isWithin } from './tree-effects.ts'
import { effectsAt, placeIn } from './tree-place.ts'

export interface StepMakerOptions {
  readonly address: Address
  readonly def: AnyActorDef
  readonly epoch: number
  readonly clock: Clock
  readonly entropy: Entropy
  readonly runtime: EffectRuntime
  /** Something that an effect, a user action or a resource of the tree has sent. */
  readonly onInput: (input: Input, origin: Origin | undefined) => void
  readonly onEmit: (event: Json, step: StepId) => void
  readonly onLog: (text: string, data: object) => void
  /** What is over and no step has recorded yet; taken along by the next one. */
  readonly takeAlong: () => Pick<Step, 'delivered' | 'mailSeq' | 'mailStream'> | undefined
}

/** A step, and what it wants done once it is committed. */
export interface MadeStep {
  readonly step: Step
  readonly id: StepId
  /** Asks that it ended. */
  readonly answers: readonly EndedWith[]
  readonly intents: readonly Intent[]
  /** Set by a failure: how long the actor rests before it goes on. */
  readonly pauseMs?: number
  /** Set by the failure of a part: what begins again after a rest, while the actor goes on. */
  readonly revive?: Revive
  /** What follows from this step in the same append. */
  readonly next?: MadeStep
  /** Another tree stands where the one was that made the steps before. */
  readonly replaces?: TreeFate
}

export interface Revive {
  readonly inMs: number
  /** What lies at or below these paths. */
  readonly at: readonly string[]
}

type Draft = Omit<Step, 'outcome'>

const NOTHING: Outcome = { status: 'active', draws: [], made: {}, intents: [] }

export class StepMaker {
  readonly #o: StepMakerOptions
  #host: LogicHost | undefined
  readonly #good = new LastGood()
  /** The tree of a failed step, until what its good steps intended is released. */
  #broken: LogicHost | undefined
  #settlement = new Settlement()
  #seq = 0
  #at = 0
  /** When a timer came due last. */
  #dueAt = 0
  /** There is a tree in the log that this code cannot read. */
  #unread = false

  constructor(options: StepMakerOptions) {
    this.#o = options
  }

  get host(): LogicHost | undefined {
    return this.#host
  }
  get settlement(): Settlement {
    return this.#settlement
  }
  /** Number of the last step. */
  get seq(): number {
    return this.#seq
  }
  /** Time of the last step. */
  get at(): number {
    return this.#at
  }
  /** Id of the last step. */
  get last(): StepId {
    return stepId(this.#o.address, this.#o.epoch, this.#seq)
  }
  get #next(): StepId {
    return stepId(this.#o.address, this.#o.epoch, this.#seq + 1)
  }
  /** Whether the tree was ever made. */
  get begun(): boolean {
    return this.#good.exists
  }

  /** Goes on from what the journal holds. */
  resumeFrom(found: Pick<Recovered, 'seq' | 'at' | 'settlement' | 'host'>, unread = false): void {
    this.#unread = unread
    this.#seq = found.seq
    this.#at = found.at
    this.#settlement = found.settlement
    this.#good.set(found.host)
    this.#host = this.#restored()
  }

  // ── One input, one step ─────────────────────────────────────────────────────────────────────────────────────────────

  init(cause: EnvelopeCause): MadeStep {
    const id = this.#next
    const draft = { ...this.#draft({ kind: 'init', event: this.initEvent }), cause }
    return this.#run(draft, { step: id, correlation: cause.correlation })
  }

  get initEvent(): Json {
    const { address, def } = this.#o
    const { type } = def.protocol
    return { type, key: address.slice(type.length + 1) }
  }

  /**
   * @param waited how long it lay in the mailbox, and what lay behind it
   * @param letter it came by mail: nobody waits for a reply, which must not go to somebody else's ask. One that has expired by
   * the time of this very step is refused by it.
   */
  message(
    event: Json,
    cause: EnvelopeCause,
    command: Omit<NonNullable<Step['command']>, 'wants' | 'expires'> | undefined,
    waited: NonNullable<Step['mailbox']>,
    remainingMs: number | undefined,
    letter?: { readonly expiresAt?: number },
  ): MadeStep {
    const input = { kind: 'message', path: '', event } as const
    const { correlation } = cause
    const [step, at] = [this.#next, this.#now()]
    const lay = waited.waitedMs > 0 || waited.depth > 0
    const draft: Draft = { seq: this.#seq + 1, at, input, cause, ...(lay && { mailbox: waited }) }
    if (command === undefined) return this.#run(draft, { step, correlation })
    const type = eventType(input)
    const replies = type in this.#o.def.protocol.replies
    const wants = replies && letter === undefined ? 'reply' : 'commit'
    const expires = remainingMs === undefined ? undefined : Math.ceil(at + remainingMs - waited.waitedMs)
    const recorded = asRecorded(command, wants, expires)
    if (letter?.expiresAt !== undefined && at > letter.expiresAt) {
      const late = letterExpired(this.#o.address, letter.expiresAt, at)
      return this.#finish(this.#refused({ ...draft, command: recorded }, 'error', late), step, [])
    }
    if (!replies) return this.#run({ ...draft, command: recorded }, { step, correlation })
    const ask = { ask: askIdOf(command), askType: type }
    return this.#run({ ...draft, cause: { ...cause, ...ask }, command: recorded }, { step, correlation, ...ask })
  }

  /** A letter that the tree does not get to see: refused as a step of its own, so that nobody applies it later. */
  refuse({ event, cause, command, key }: Extract<Envelope, { kind: 'event' }>, error: TroupeError): MadeStep {
    const keyed = command && { ...command, ...(key !== undefined && { key }) }
    const draft: Draft = {
      ...this.#draft({ kind: 'message', path: '', event }),
      cause,
      ...(keyed !== undefined && { command: asRecorded(keyed, 'commit') }),
    }
    const id = this.#next
    return this.#finish(this.#refused(draft, 'error', error), id, [])
  }

  /** An effect's result, a timer, or what a user action has sent. */
  system(input: Input, origin: Origin): MadeStep {
    const effect = 'from' in input && input.from !== undefined ? this.#host?.effectAt(input.from) : undefined
    const evidence = 'evidence' in input && input.evidence !== undefined ? { evidence: input.evidence } : {}
    const { step: causation, ...root } = origin
    const draft = {
      ...this.#draft(withoutEvidence(input)),
      cause: { causation, ...root },
      ...(effect !== undefined && { effect: { ...effect, ...evidence } }),
    }
    return this.#run(draft, { ...origin, step: this.#next })
  }

  /** A timer has come due: its step may have to wait, and is not early for it when the clock is set back. @returns its origin */
  comesDue(input: Input, now: number): Origin | undefined {
    this.#dueAt = Math.max(this.#dueAt, now)
    return this.#host?.originOf(input)
  }

  /** What a person has ordered. A new tree that cannot be made leaves everything as it was. */
  operator(order: Order, cause: EnvelopeCause, command?: Omit<NonNullable<Step['command']>, 'wants'>): MadeStep {
    const old = this.#host
    const before = old?.stateValue() ?? null
    const fate = fateOfTree(order.kind, this.#settlement.life.kind, this.begun ? old?.view().status : undefined)
    const id = this.#next
    const { kind, ...why } = order
    const init = fate === 'new' ? { init: this.initEvent, ...(this.#unread && { blank: true as const }) } : {}
    const draft: Draft = {
      ...this.#draft({ kind: 'operator', order: kind, ...why, ...init }),
      cause,
      ...(command !== undefined && { command: asRecorded(command, 'commit') }),
    }
    const fresh = fate === 'new' ? this.#newHost() : undefined
    const good = fresh === undefined ? undefined : this.#goodState()
    if (good !== undefined) fresh?.countOn(good)
    let outcome: Outcome = NOTHING
    try {
      if (fresh !== undefined) outcome = fresh.step(draft.input, draft.at, { step: id, correlation: cause.correlation })
      if (outcome.status === 'error') throw outcome.error
      if (fate === 'new') this.#good.set(fresh?.state())
    } catch (error) {
      fresh?.close()
      return this.#finish(this.#refused(draft, 'error', this.#failure(error)), id, [])
    }
    if (fate === 'none') this.#good.set(undefined)
    if (fate !== 'same') {
      this.#broken = old
      this.#host = fresh ?? this.#restored()
    }
    const made = this.#finish(this.#applied(draft, outcome, before), id, outcome.intents)
    return fate === 'same' ? made : { ...made, replaces: fate }
  }

  /** Nothing happens but that sends are over or mail is consumed; or, with `attempt`, that a message is about to be tried. */
  settled(attempt?: NonNullable<Step['attempt']>): MadeStep {
    const id = this.#next
    const draft = { ...this.#draft({ kind: 'settled' }), cause: { causation: this.last, correlation: id } }
    return this.#finish({ ...draft, ...(attempt !== undefined && { attempt }), outcome: 'applied' }, id, [])
  }

  #draft(input: Input): Omit<Draft, 'cause'> {
    return { seq: this.#seq + 1, at: this.#now(), input }
  }

  /** The time that the next step sees. */
  #now(): number {
    return Math.max(this.#o.clock.now(), this.#at, this.#dueAt)
  }

  #run(draft: Draft, origin: Origin): MadeStep {
    const host = (this.#host ??= this.#newHost())
    const before = draft.input.kind === 'init' ? null : host.stateValue()
    let outcome: Outcome
    try {
      outcome = host.step(draft.input, draft.at, origin)
      if (outcome.status !== 'error') host.check()
    } catch (error) {
      outcome = { status: 'error', error, draws: [], made: {}, intents: [] }
    }
    if (outcome.rejected !== undefined) return this.#finish(this.#rejected(draft, outcome.rejected), origin.step, [])
    if (outcome.status === 'error') return this.#fail(draft, outcome, origin.step)
    this.#good.note({ input: draft.input, at: draft.at, origin, draws: outcome.draws }, host)
    return this.#finish(this.#applied(draft, outcome, before), origin.step, outcome.intents)
  }

  #finish(step: Step, id: StepId, intents: readonly Intent[], pauseMs?: number): MadeStep {
    const along = this.#o.takeAlong()
    const complete: Step = along === undefined ? step : { ...step, ...along }
    this.#seq = step.seq
    this.#at = step.at
    const answers = this.#settlement.apply(complete, id)
    const made = { step: complete, id, answers, intents }
    return pauseMs === undefined ? made : { ...made, pauseMs }
  }

  // ── Outcomes ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #applied(draft: Draft, outcome: Outcome, before: Json): Step {
    const value = this.#host?.stateValue() ?? null
    const answers = answersOf(this.#o.address, draft, outcome, this.#settlement)
    const view = outcome.status === 'active' ? undefined : this.#host?.view()
    const { draws, made } = outcome
    const step: { -readonly [K in keyof Step]: Step[K] } = { ...draft, outcome: 'applied' }
    if (draws.length > 0) step.draws = draws
    if (!isEmpty(made)) step.made = made
    if (!isEqual(before, value)) step.decided = { before, after: value }
    if (answers.length > 0) step.answers = answers
    if (view !== undefined) step.ended = { kind: view.status === 'done' ? 'done' : 'stopped', output: view.output }
    return step
  }

  #rejected(draft: Draft, { reason, accepts }: NonNullable<Outcome['rejected']>): Step {
    const type = eventType(draft.input)
    const why = reason === 'guard' ? 'its guards refuse it now' : 'its present state has no transition for it'
    const known = accepts.length > 0 ? accepts.join(', ') : 'nothing'
    const what = `'${this.#o.address}' does not take '${type}': ${why}; it takes ${known}`
    return this.#refused(draft, 'rejected', new EventNotAccepted(what, { type, reason, accepts }))
  }

  #refused(draft: Draft, outcome: 'rejected' | 'error', error: TroupeError): Step {
    const wire = toWire(error)
    if (draft.command === undefined) return { ...draft, outcome, error: wire }
    return { ...draft, outcome, error: wire, answers: [{ ask: askIdOf(draft.command), refused: true }] }
  }

  #unanswered(): readonly EndedAsk[] {
    return this.#settlement.asks.map(({ id }) => unanswered(this.#o.address, id))
  }

  #failure(error: unknown): ActorFailed {
    const cause = error instanceof Error ? error : new Error(String(error))
    return new ActorFailed(`a step of '${this.#o.address}' failed: ${cause.message}`, { failure: encode(cause) })
  }

  /**
   * The failure is recorded with its directive, and what that does to the tree in a step behind it. The tree goes back to the
   * last good state; work of a part that is not touched goes on.
   */
  #fail(draft: Draft, { error, failed, intents }: Outcome, id: StepId): MadeStep {
    const { def, entropy } = this.#o
    const { failures, childFailures } = this.#settlement
    const good = this.#goodState()
    const place = failed === undefined ? undefined : placeIn(good, failed)
    const history = { failures, childFailures }
    const decision = decide(def.supervision ?? {}, { at: draft.at, ...place }, history, entropy.random())
    const refused: Step = { ...this.#refused(draft, 'error', this.#failure(error)), supervision: decision }
    const { directive, inMs = 0, child } = decision
    const broken = this.#host
    this.#broken = broken
    this.#host = this.#restored()
    if (directive === 'quarantine' || (directive === 'stop' && child === undefined)) {
      const own = refused.answers ?? []
      const others = this.#unanswered().filter((open) => own.every(({ ask }) => ask !== open.ask))
      const answers = [...own, ...others]
      return this.#finish({ ...refused, answers }, id, ends(intents), 0)
    }
    const whole = child === undefined || decision.escalated === true
    if (whole && directive !== 'resume') {
      const made = this.#finish(refused, id, ends(intents), inMs)
      return directive === 'reset' ? { ...made, ...this.#directed(draft, id, { init: this.initEvent }) } : made
    }
    // An effect that has failed can only begin again.
    const { restart = [], reset, stop } = whole ? { restart: effectsAt(good, failed) } : child
    const touched = [...restart, ...(reset ?? []), ...(stop ?? [])]
    if (broken !== undefined) this.#host?.adopt(broken, touched)
    const over = ends(intents).filter(({ path }) => isWithin(path, touched))
    const made = { ...this.#finish(refused, id, over), revive: { inMs, at: [...restart, ...(reset ?? [])] } }
    if (reset === undefined && stop === undefined) return made
    return { ...made, ...this.#directed(draft, id, { ...(reset && { reset }), ...(stop && { stop }) }) }
  }

  /** The step behind a failure that changes the tree. What cannot be made anew is stopped for good. */
  #directed(
    { cause: { correlation, ask, askType }, at }: Draft,
    causation: StepId,
    what: Omit<Extract<Input, { kind: 'directive' }>, 'kind'>,
  ): Pick<MadeStep, 'next'> {
    const id = this.#next
    const root = { correlation, ...(ask !== undefined && { ask }), ...(askType !== undefined && { askType }) }
    const draft: Draft = { ...this.#draft({ kind: 'directive', ...what }), at, cause: { causation, ...root } }
    const before = this.#host?.stateValue() ?? null
    if (what.init !== undefined) {
      const good = this.#goodState()
      this.#host = this.#newHost()
      if (good !== undefined) this.#host.countOn(good)
    }
    const host = (this.#host ??= this.#newHost())
    try {
      const outcome = host.step(draft.input, draft.at, { step: id, ...root })
      if (outcome.status === 'error') throw outcome.error
      this.#good.set(host.state())
      return { next: this.#finish(this.#applied(draft, outcome, before), id, outcome.intents) }
    } catch (error) {
      this.#host = this.#restored()
      const supervision = { directive: 'quarantine', failures: this.#settlement.failures.length + 1 } as const
      const refused = this.#refused(draft, 'error', this.#failure(error))
      const answers = this.#unanswered()
      return { next: this.#finish({ ...refused, supervision, answers }, id, [], 0) }
    }
  }

  // ── The tree ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Does what committed steps intended. After a failure nothing is begun, effects begin with the restart; when a part of the tree
   * has failed, nothing at `resting`.
   */
  release(intents: readonly Intent[], failed: boolean, resting?: readonly string[]): void {
    if (!failed) return this.#host?.release(intents)
    if (resting !== undefined) this.#host?.startRest(resting)
    const quiet = resting === undefined ? ['start', 'receive'] : ['start']
    this.#broken?.release(intents.filter(({ kind }) => !quiet.includes(kind)))
    this.#broken?.close()
    this.#broken = undefined
  }

  close(): void {
    this.#host?.close()
    this.#broken?.close()
  }

  state(): ActorState {
    const host = this.#host?.state()
    this.#good.set(host)
    return actorState(host, this.#settlement, this.#seq, this.#at, this.#o.def.version ?? 1)
  }

  /** For an actor that goes idle: a state weighs less than the steps that led to it. */
  rest(): void {
    if (this.#host !== undefined && this.begun) this.#good.set(this.#host.state())
  }

  /** The state as plain data; committed only when no append is in flight. */
  view(): Json {
    return stateView(this.#host?.view(), this.#settlement.life, this.#seq)
  }

  #goodState(): HostState | undefined {
    return this.#good.state(() => this.#newHost())
  }

  #restored(): LogicHost | undefined {
    const good = this.#goodState()
    if (good === undefined) return undefined
    const host = this.#newHost()
    host.restore(good)
    return host
  }

  #newHost(): LogicHost {
    const { address, def, entropy, runtime, onInput, onEmit, onLog } = this.#o
    return new LogicHost({
      address,
      logic: def.logic,
      runtime,
      random: () => entropy.random(),
      onInput,
      onEmit: (_path, event) => onEmit(event, this.last),
      onLog: (path, args) => onLog(`${address}${path}`, { args }),
      ...(def.resume !== undefined && { resume: def.resume }),
      keepsInput: keepsInput(def),
    })
  }
}

/** What a tree that has failed still does: end what it had begun. */
function ends(intents: readonly Intent[]): Intent[] {
  return intents.filter(({ kind }) => kind === 'dispose')
}

function isEmpty(made: Made): boolean {
  for (const _ in made) return false
  return true
}

/** The fields in the order of every record: the bytes of a step do not depend on who made it. */
function asRecorded(
  { client, n, settled, key }: Omit<NonNullable<Step['command']>, 'wants' | 'expires'>,
  wants: 'reply' | 'commit',
  expires?: number,
): NonNullable<Step['command']> {
  const command: { -readonly [K in keyof NonNullable<Step['command']>]: NonNullable<Step['command']>[K] } = {
    client,
    n,
    settled,
    wants,
  }
  if (key !== undefined) command.key = key
  if (expires !== undefined) command.expires = expires
  return command
}

function withoutEvidence(input: Input): Input {
  if (!('evidence' in input)) return input
  const { evidence: _, ...rest } = input
  return rest
}
