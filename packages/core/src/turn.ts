/**
 * The turn: what one activated actor does with what it receives.
 *
 *     receive → pure transition → append the steps to the log (fenced) → acknowledge, send, run effects
 *
 * Owns one actor's mailbox, its askers and its place in the journal; `step-maker.ts` owns its tree and its settlement. Knows the
 * world through ports.
 *
 * 1. One turn at a time. What arrives during an append waits; the next turn commits up to 256 messages, 256 KB or 10 ms of
 *    them as one append (group commit). A step that fails ends its group.
 * 2. A step is one input and all that follows from it in the tree (`step-maker.ts`).
 * 3. One append = one record on the actor's subject, expected to follow the last one; its identity includes the writer.
 * 4. Nothing leaves before the append is acknowledged: no reply, refusal, send, emit, effect or timer.
 * 5. An unknown outcome is resolved by the log (`append.ts`); when another writer is found, what was not released is dropped
 *    and its askers are told `Moved`, outcome unknown.
 * 6. The state after a group goes into its append when it is small (4 KB), and at the latest every 100 steps or 256 KB.
 * 7. A command id that was applied is answered from the record, never applied again (`settlement.ts`).
 * 8. Mail comes in order (`mail-intake.ts`). Each letter is applied by one step, or refused by one and buried before the next
 *    append and before its mail is told to be consumed.
 * 9. When the newest record was an activation, the first message may be what killed the process: it is tried alone, and the
 *    attempt is recorded before. After three it is poison.
 */
import { ActorJournal, type Entry } from './actor-journal.ts'
import { Alarm } from './alarm.ts'
import { type Asker, Askers, type Route } from './askers.ts'
import { ATTEMPTS, isSuspected, nameOf, poison } from './attempts.ts'
import type { ListedActor } from './cluster-tree.ts'
import type { Json } from './codec.ts'
import { type Burial, refusedLetters, unreadableLetter } from './dead-letter.ts'
import { answerToWire, type Envelope, type EnvelopeCause, type KeyedCommand, type WireAnswer } from './envelope.ts'
import {
  ActorFailed,
  assertNever,
  LogDamaged,
  LogicRefused,
  LogUnavailable,
  Moved,
  StateDiverged,
  SystemStopped,
  TroupeError,
  toWire,
} from './errors.ts'
import { GROUP, type Group, newGroup, takesMore } from './group.ts'
import type { Input, Intent, Origin } from './input.ts'
import type { ReceivedLetter } from './letter.ts'
import { MailIntake } from './mail-intake.ts'
import { Mailbox } from './mailbox.ts'
import { type Received, receivedLetter, type SystemInput } from './received.ts'
import { type Recovered, recover, recoverWithoutState } from './recovery.ts'
import { divergence, fullMailbox, movedAway, refusal, tooManyOutstanding } from './refusals.ts'
import type { ResidentOptions } from './resident-options.ts'
import { Rests } from './rests.ts'
import { ANSWERS_PER_CLIENT, type Settlement, TOMBSTONE_MS } from './settlement.ts'
import type { Activation } from './step.ts'
import { type MadeStep, StepMaker } from './step-maker.ts'
import { TurnWatch } from './turn-watch.ts'
import { Unrecorded } from './unrecorded.ts'
import { validEvent } from './valid-event.ts'

/** A timer that is due later can be left to a wake-up. */
const WAKE_UP_MS = 5_000

type Phase = 'activating' | 'running' | 'paused' | 'lost'

export class Resident {
  readonly #o: ResidentOptions
  readonly #mailbox: Mailbox<SystemInput, Received>
  readonly #log: ActorJournal
  readonly #askers = new Askers()
  readonly #maker: StepMaker
  #phase: Phase = 'activating'
  #turning = false
  #draining = false
  #drained: Promise<void> | undefined
  /** The turn or activation under way, or the last one. */
  #current: Promise<void> = Promise.resolve()
  readonly #alarm: Alarm
  readonly #rests: Rests
  readonly #unrecorded: Unrecorded
  readonly #intake: MailIntake | undefined
  readonly #watch: TurnWatch | undefined
  /** Mail up to here is consumed, as committed. */
  #cursor = 0
  /** See 9. */
  #suspect = false
  /** The log holds a state that this code cannot reach: everything but a reset is refused with this. */
  #diverged: StateDiverged | undefined
  #lastActive: number

  constructor(options: ResidentOptions) {
    this.#o = options
    this.#log = new ActorJournal(options)
    const { messages = 1_000, bytes = 16 * 1024 * 1024 } = options.def.mailbox ?? {}
    this.#mailbox = new Mailbox({ messages, bytes })
    this.#lastActive = options.clock.monotonic()
    this.#maker = new StepMaker({
      ...options,
      onInput: (input, origin) => this.#receiveSystem(input, origin),
      takeAlong: () => this.#unrecorded.takeAlong(this.#settlement),
    })
    const { address, clock, mail, onSend, observer } = options
    this.#watch = observer && new TurnWatch(observer, clock, address)
    this.#alarm = new Alarm(
      clock,
      () => (this.#phase === 'running' && this.#settlement.life.kind === 'active' ? this.#maker.host : undefined),
      (timer, now) => {
        const input = { kind: 'timer', timer } as const
        this.#receiveSystem(input, this.#maker.comesDue(input, now))
      },
    )
    this.#rests = new Rests(clock, (paths) => this.#phase === 'running' && this.#maker.host?.resume(paths))
    this.#unrecorded = new Unrecorded({
      clock,
      onSend,
      mailStream: mail?.mail.streamId,
      alive: () => this.#phase !== 'lost',
      onDue: () => this.#schedule(),
    })
    this.#intake = mail && new MailIntake({ address, clock, ...mail, offer: (letter) => this.#offer(letter) })
  }

  // ── Life ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads the state, appends the activation (the fence), takes up what is open. Losing the race ends in `onLost`. */
  activate(cause: EnvelopeCause): Promise<void> {
    this.#current = this.#activate(cause)
    return this.#current
  }

  async #activate(cause: EnvelopeCause): Promise<void> {
    this.#watch?.takes()
    try {
      await this.#recover()
      if (this.#diverged !== undefined) {
        this.#phase = 'running'
        return
      }
      const group = newGroup()
      const { life } = this.#settlement
      if (life.kind === 'destroyed' && life.at + TOMBSTONE_MS <= this.#o.clock.now()) {
        this.#add(this.#maker.operator({ kind: 'start', reason: 'its tombstone has expired' }, cause), group)
      } else if (!this.#maker.begun && life.kind === 'active') this.#add(this.#maker.init(cause), group)
      else group.forced = true
      this.#turning = true
      if (!(await this.#commit(group, this.#o.activation))) return
      this.#phase = 'running'
      this.#release(group)
      if (this.#phase === 'running') this.#takeUp()
      this.#intake?.begin(this.#cursor)
      this.#o.onActive?.()
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
    const { address, def, journal, subject, epoch, logicHash, seal } = this.#o
    if (def.persistence === 'volatile') return
    let found: Recovered
    try {
      found = await recover(journal, subject, address, def, logicHash, seal)
      this.#maker.resumeFrom(found)
    } catch (error) {
      if (!(error instanceof StateDiverged) && !(error instanceof LogicRefused)) throw error
      found = await recoverWithoutState(journal, subject, address, seal)
      this.#maker.resumeFrom(found, true)
      this.#diverged = divergence(address, error, this.#o.servedBy)
      this.#o.onLog('state diverged', { actor: address, why: error.message, ...error.details })
    }
    if (found.epoch > epoch)
      throw new Moved(`'${address}' was activated in epoch ${found.epoch}; this node has ${epoch}`)
    this.#log.follow(found)
    // What the last incarnation has refused is dead, whether or not it came to bury it.
    if (!(await this.#bury(refusedLetters(address, found.newest)))) return
    const tried = found.unproven || found.settlement.attempt !== undefined
    this.#suspect = tried && this.#diverged === undefined
  }

  /** Starts effects that were running, sends what was not delivered, arms timers. */
  #takeUp(): void {
    for (const send of this.#settlement.sends) this.#unrecorded.deliver(send)
    if (this.#settlement.life.kind !== 'active') return
    this.#maker.host?.resume()
    this.#alarm.set()
  }

  /** No more turns: ends effects, answers whoever waits. */
  stop(): void {
    this.#lose(new SystemStopped(`the node that hosted '${this.#o.address}' has stopped; ask again`), false)
  }

  /** Finishes the append under way and leaves the state where one read finds it. */
  drain(): Promise<void> {
    this.#drained ??= this.#drain()
    return this.#drained
  }

  async #drain(): Promise<void> {
    this.#draining = true
    this.#intake?.stop()
    await this.#current
    const readable = this.#phase === 'running' && this.#diverged === undefined
    if (readable && (!this.#log.stateIsNewest || this.#unrecorded.any)) {
      const group = newGroup()
      if (this.#unrecorded.any) this.#add(this.#maker.settled(), group)
      await this.#commit(group, undefined)
    }
    this.#lose(new Moved(`'${this.#o.address}' moves to another node`))
  }

  /** What operators are shown. */
  listing(): Omit<ListedActor, 'shard'> {
    const { host, settlement } = this.#maker
    return {
      actor: this.#o.address,
      life: this.#phase === 'paused' ? 'resting' : this.#diverged === undefined ? settlement.life.kind : 'diverged',
      seq: this.#maker.seq,
      value: host?.rootValue ?? null,
      failures: settlement.failures.length + settlement.childFailures.length,
      children: host?.children() ?? [],
    }
  }

  /** Messages that wait for their turn, and effects that run. */
  get load(): { readonly waiting: number; readonly effects: number } {
    return { waiting: this.#mailbox.depth, effects: this.#maker.host?.openEffects ?? 0 }
  }

  /** Since when leaving memory would lose nothing that nobody else takes up; undefined when it would. */
  get restingSince(): number | undefined {
    const sends = this.#settlement.sends.length - this.#unrecorded.deliveredSends
    const open = this.#settlement.waiting(this.#o.clock.now()) + sends
    const soon = (this.nextDue ?? Number.POSITIVE_INFINITY) <= this.#o.clock.now() + WAKE_UP_MS
    const running = soon || (this.#maker.host?.openEffects ?? 0) > 0 || this.#intake?.idle === false
    const busy = this.#turning || !this.#mailbox.empty || this.#phase === 'activating' || this.#phase === 'paused'
    return !busy && open === 0 && !running && this.#o.def.persistence !== 'volatile' ? this.#lastActive : undefined
  }

  /** Its timers are armed and it is not about to leave. */
  get awake(): boolean {
    return this.#phase === 'running' && !this.#draining
  }

  /** A `write` has begun and its result is not recorded. */
  get writing(): boolean {
    return this.#phase === 'running' && this.#settlement.life.kind === 'active' && this.#maker.host?.writing === true
  }

  /** When its next timer is due; one that is far away must be left to a wake-up before the actor leaves memory. */
  get nextDue(): number | undefined {
    const { kind } = this.#settlement.life
    return kind === 'active' ? this.#maker.host?.nextDue(this.#alarm.fired) : undefined
  }

  #lose(why: TroupeError, fenced = false): void {
    if (this.#phase === 'lost') return
    this.#phase = 'lost'
    this.#intake?.stop()
    this.#alarm.cancel()
    this.#unrecorded.stop()
    this.#rests.end()
    this.#maker.close()
    const answer: WireAnswer = { v: 1, ok: false, error: toWire(why) }
    const untouched: WireAnswer = { v: 1, ok: false, error: { ...toWire(why), applied: 'no' } }
    for (const { route } of this.#mailbox.drain())
      route(why instanceof Moved || why instanceof SystemStopped ? untouched : answer)
    this.#askers.tellAll(answer)
    this.#o.onLost(why, fenced)
  }

  get #settlement(): Settlement {
    return this.#maker.settlement
  }

  // ── Receiving ───────────────────────────────────────────────────────────────────────────────────────────────────────

  receive(envelope: Envelope, route: Route, sizeBytes: number): void {
    if (this.#phase === 'lost' || this.#draining) return route(movedAway(this.#o.address))
    this.#lastActive = this.#o.clock.monotonic()
    if (!this.#mailbox.offer({ envelope, route, sizeBytes, arrivedAt: this.#lastActive })) {
      return route(fullMailbox(this.#o.address, this.#mailbox.depth))
    }
    this.#schedule()
  }

  /** Mail lies at this position. */
  mailAt(position: number): void {
    if (this.#phase === 'lost' || this.#phase === 'activating') return this.#intake?.heard(position)
    if (position <= this.#cursor) return this.#o.mail?.onConsumed(this.#cursor)
    this.#lastActive = this.#o.clock.monotonic()
    this.#intake?.heard(position)
  }

  #offer(letter: ReceivedLetter): boolean {
    const taken = this.#mailbox.offer(receivedLetter(letter, this.#o.address, this.#o.clock.monotonic()))
    if (taken) this.#schedule()
    return taken
  }

  #receiveSystem(input: Input, origin: Origin | undefined): void {
    if (this.#phase === 'lost') return
    const { last } = this.#maker
    this.#mailbox.offerSystem({ input, origin: origin ?? { step: last, correlation: last } })
    this.#schedule()
  }

  #schedule(): void {
    if (this.#turning || this.#phase !== 'running' || this.#draining) return
    if (this.#mailbox.empty && !this.#unrecorded.due) return
    this.#turning = true
    this.#current = Promise.resolve().then(() => this.#turn())
  }

  // ── The turn ────────────────────────────────────────────────────────────────────────────────────────────────────────

  async #turn(): Promise<void> {
    try {
      while (this.#phase === 'running' && !this.#draining && !(this.#mailbox.empty && !this.#unrecorded.due)) {
        if (this.#suspect && !(await this.#tryFirst())) return
        if (!(await this.#finish(this.#group()))) return
      }
    } catch (error) {
      this.#lose(new ActorFailed(`the runtime failed in a turn of '${this.#o.address}'`, {}, error))
      throw error
    } finally {
      this.#turning = false
    }
    this.#schedule()
  }

  /** @returns false when this incarnation is over */
  async #finish(group: Group): Promise<boolean> {
    const activation = this.#diverged === undefined ? undefined : this.#o.activation
    const committed = group.steps.length === 0 && !group.forced ? true : await this.#commit(group, activation)
    if (!committed) return false
    if (this.#diverged !== undefined && group.replaced !== undefined) {
      this.#diverged = undefined
      this.#intake?.begin(this.#cursor)
      this.#o.onActive?.()
    }
    this.#release(group)
    if (!(await this.#bury(group.dead))) return false
    // A later record says that they are buried, if need be one of its own.
    if (group.dead.length > 0 && !this.#unrecorded.any) this.#unrecorded.consume(this.#settlement.mail?.seq ?? 0)
    this.#moveCursor()
    this.#intake?.more()
    return true
  }

  /** See 9. */
  async #tryFirst(): Promise<boolean> {
    const received = this.#mailbox.takeUser()
    if (received === undefined) return true
    const group = newGroup()
    if (isSuspected(received.envelope, this.#settlement)) {
      this.#suspect = false
      const message = nameOf(received.envelope)
      const before = this.#settlement.attempt
      const n = (before?.message === message ? before.n : 0) + 1
      if (n > ATTEMPTS) {
        this.#consume(received)
        this.#refuse(received, poison(this.#o.address, message), group)
        return this.#finish(group)
      }
      const tried = newGroup()
      this.#add(this.#maker.settled({ message, n }), tried)
      if (!(await this.#finish(tried))) {
        received.route(movedAway(this.#o.address))
        return false
      }
    }
    this.#userStep(received, group, this.#o.clock.monotonic())
    return this.#finish(group)
  }

  #group(): Group {
    this.#watch?.takes()
    const group = newGroup()
    let now = this.#o.clock.monotonic()
    const until = now + GROUP.ms
    while (takesMore(group)) {
      const system = this.#mailbox.takeSystem()
      if (system !== undefined) this.#systemStep(system, group)
      else {
        const received = this.#mailbox.takeUser()
        if (received === undefined) break
        group.sizeBytes += received.sizeBytes
        this.#userStep(received, group, now)
      }
      if (this.#settlement.life.kind !== 'active' && group.steps.length > 0) break
      now = this.#o.clock.monotonic()
      if (now >= until) break
    }
    if (group.steps.length === 0 && this.#unrecorded.due) this.#add(this.#maker.settled(), group)
    return group
  }

  /** The step that is made next, of this letter or another, takes the cursor along. */
  #consume({ letter }: Received): void {
    if (letter?.last === true) this.#unrecorded.consume(letter.position)
  }

  #userStep(received: Received, group: Group, now: number): void {
    this.#consume(received)
    this.#watch?.takes(received.arrivedAt)
    const { envelope, route, letter } = received
    const { address } = this.#o
    const refuse = (error: TroupeError) => this.#refuse(received, error, group)
    if (letter !== undefined && 'unreadable' in letter.content) {
      group.dead.push(unreadableLetter(address, letter.position, letter.content, this.#o.clock.now()))
      return
    }
    const mends = envelope.kind === 'operator' && envelope.order.kind !== 'start'
    if (this.#diverged !== undefined && !mends) return refuse(this.#diverged)
    if (envelope.kind === 'view') {
      if (envelope.fenced) group.forced = true
      group.releases.push(() => route(this.#shown()))
      return
    }
    const { command, cause, key } = envelope
    const keyed = command === undefined || key === undefined ? command : { ...command, key }
    if (envelope.kind === 'operator') {
      const { order, command } = envelope
      const ordered = { ...command, ...(key !== undefined && { key }) }
      if (this.#repeated(received, ordered, order.kind, group)) return
      return this.#add(this.#maker.operator(order, cause, ordered), group, { command, route })
    }
    const event = validEvent(this.#o.def, envelope.event)
    // What the log keeps is what the schema made of an event: a repetition must look the same.
    const said = event instanceof TroupeError ? envelope.event : event
    if (keyed !== undefined && this.#repeated(received, keyed, said, group)) return
    const ended = this.#settlement.endedWith(address)
    if (ended !== undefined) return refuse(ended)
    if (event instanceof TroupeError) return refuse(event)
    const waited = { waitedMs: Math.round(now - received.arrivedAt), depth: this.#mailbox.depth }
    const byMail = letter && envelope
    const made = this.#maker.message(event, cause, keyed, waited, envelope.remainingMs, byMail)
    this.#add(made, group, command === undefined || byMail !== undefined ? undefined : { command, route })
  }

  /** True when nothing is left to do: the command was applied before, is open, or is refused. */
  #repeated(received: Received, command: KeyedCommand, said: Json, group: Group): boolean {
    const { route, letter } = received
    const known = this.#settlement.look(command, command.key, said)
    switch (known.kind) {
      case 'answered':
        group.releases.push(() => route(answerToWire(known.answer)))
        return true
      case 'open':
        this.#askers.attach(known.ask, command, route)
        return true
      case 'refused':
        // A letter whose number is settled is a repetition.
        if (letter === undefined || known.error.code !== 'Timeout') this.#refuse(received, known.error, group)
        return true
      case 'new':
        break
      default:
        assertNever(known)
    }
    if (this.#settlement.outstanding(command) < ANSWERS_PER_CLIENT) return false
    this.#refuse(received, tooManyOutstanding(this.#o.address, command.client), group)
    return true
  }

  #refuse({ envelope, route, letter }: Received, error: TroupeError, group: Group): void {
    if (letter !== undefined && envelope.kind === 'event') this.#add(this.#maker.refuse(envelope, error), group)
    else group.releases.push(() => route({ v: 1, ok: false, error: toWire(error) }))
  }

  /** @returns false when this incarnation is over */
  async #bury(dead: readonly Burial[]): Promise<boolean> {
    for (const { id, letter } of dead) {
      const buried = await this.#o.mail?.bury(letter, id)
      if (buried !== true || this.#phase === 'lost') return false
    }
    return true
  }

  #shown(): WireAnswer {
    const { life } = this.#settlement
    const gone = life.kind === 'destroyed' ? this.#settlement.endedWith(this.#o.address) : undefined
    if (gone !== undefined) return { v: 1, ok: false, error: toWire(gone) }
    return { v: 1, ok: true, value: this.#maker.view() }
  }

  #systemStep({ input, origin }: SystemInput, group: Group): void {
    if (input.kind === 'timer') this.#alarm.taken(input.timer)
    if (this.#settlement.life.kind === 'active') this.#add(this.#maker.system(input, origin), group)
  }

  /** Takes a step into the group, with what it releases. @param asker who waits for the answer to its command */
  #add({ step, id, answers, intents, pauseMs, revive, replaces, next }: MadeStep, group: Group, asker?: Asker): void {
    group.steps.push(step)
    if (step.error !== undefined) group.dead.push(...refusedLetters(this.#o.address, [step]))
    if (replaces !== undefined) group.replaced = { fate: replaces, from: group.intents.length }
    group.intents.push(...intents)
    if (pauseMs !== undefined) group.pauseMs = pauseMs
    if (revive !== undefined) group.revive = revive
    this.#askers.ended(answers, asker)
    if (step.made?.sends !== undefined && step.outcome === 'applied') {
      for (const send of this.#settlement.sends)
        if (send.step === id) group.releases.push(() => this.#unrecorded.deliver(send))
    }
    if (next !== undefined) this.#add(next, group)
  }

  // ── Commit and release ──────────────────────────────────────────────────────────────────────────────────────────────

  async #commit(group: Group, activated: Activation | undefined): Promise<boolean> {
    if (this.#o.def.persistence === 'volatile') {
      if (this.#mailbox.empty) this.#maker.rest()
      this.#moveCursor()
      return true
    }
    const fate = await this.#log.write(this.#entry(group, activated), () => this.#phase !== 'lost')
    switch (fate.kind) {
      case 'committed':
        if (group.dead.length === 0) this.#moveCursor()
        return true
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

  /** Nothing was made since what has just been committed. */
  #moveCursor(): void {
    const { mail } = this.#settlement
    if (mail === undefined || mail.stream !== this.#o.mail?.mail.streamId || mail.seq === this.#cursor) return
    this.#cursor = mail.seq
    this.#o.mail.onConsumed(mail.seq)
  }

  #entry({ steps, sizeBytes }: Group, activated: Activation | undefined): Entry {
    const { host } = this.#maker
    const open = {
      asks: this.#settlement.waiting(this.#maker.at),
      effects: host?.openEffects ?? 0,
      timers: host?.openTimers ?? 0,
      sends: this.#settlement.sends.length,
    }
    return { steps, sizeBytes, state: this.#maker.state(), open, activated, leaving: this.#draining }
  }

  #release(group: Group): void {
    this.#watch?.committed(group.steps)
    this.#o.onRelease?.()
    this.#askers.tellDue()
    for (const release of group.releases) release()
    if (group.replaced !== undefined) return this.#releaseReplaced(group.intents, group.replaced)
    const { pauseMs, revive } = group
    if (pauseMs === undefined && revive !== undefined) this.#rests.begin(revive)
    const partly = pauseMs === undefined && revive !== undefined
    this.#maker.release(group.intents, (pauseMs ?? revive) !== undefined, partly ? this.#rests.paths : undefined)
    if (pauseMs === undefined) return this.#alarm.set()
    if (this.#settlement.life.kind !== 'active') return this.#maker.close()
    this.#phase = 'paused'
    this.#o.clock.after(pauseMs, () => this.#restart())
  }

  /** The old tree ends, with what it had still to say; nothing that was on its way to it reaches the new one. */
  #releaseReplaced(intents: readonly Intent[], { fate, from }: NonNullable<Group['replaced']>): void {
    this.#maker.release(intents.slice(0, from), true)
    this.#mailbox.dropSystem()
    this.#alarm.forget()
    this.#rests.end()
    this.#maker.release(intents.slice(from), false)
    if (fate === 'kept') this.#takeUp()
    else this.#alarm.set()
  }

  /** After the pause that supervision ordered: effects begin again, messages are taken again. */
  #restart(): void {
    if (this.#phase !== 'paused') return
    this.#phase = 'running'
    this.#rests.end()
    if (this.#maker.begun) this.#takeUp()
    else this.#receiveSystem({ kind: 'init', event: this.#maker.initEvent }, undefined)
    this.#schedule()
  }
}
