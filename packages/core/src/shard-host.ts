/**
 * The actors of this node's shards: admits messages, activates on the first one, passivates the idle.
 *
 * Owns the residents, the command subscriptions and the mail room (`mail-room.ts`). Told by `membership.ts` which shards are open.
 *
 * 1. A message is admitted only while its shard is open and this node's lease is valid; else its sender is told `Moved`.
 * 2. An actor has at most one resident here; a lost one is forgotten at once, the next message activates it anew.
 * 3. After a shard is opened, every actor in it with an open ask, effect, timer or send is activated without being asked
 *    (`take-up.ts`, from its last owner's checkpoint on); so
 *    is one that was lost while its shard stayed here.
 * 4. Mail activates its receiver; an actor whose timers are far away may leave memory once a wake-up is stored for them.
 * 5. Answers go to `_INBOX.` subjects only: a client must not be able to make a node write anywhere else.
 */
import type { AnyActorDef } from './actor.ts'
import { type Address, type ShardName, type Subjects, splitAddress, token } from './address.ts'
import type { Transport } from './asker.ts'
import type { Route } from './askers.ts'
import { type Checkpoint, ShardProgress } from './checkpoint.ts'
import type { ListedActor } from './cluster-tree.ts'
import type { Json } from './codec.ts'
import { type DeadLetter, packDeadLetter, reasonOf, untakenLetter } from './dead-letter.ts'
import { decodeEnvelope, type Envelope, type EnvelopeCause, type WireAnswer } from './envelope.ts'
import {
  InvalidEvent,
  LogicRefused,
  LogUnavailable,
  Moved,
  RetryWindowPassed,
  type TroupeError,
  TypeNotServed,
  TypeNotYetServed,
  toWire,
} from './errors.ts'
import { Handover } from './handover.ts'
import { lettersIn } from './letter.ts'
import { logicHash } from './logic-hash.ts'
import { MailRoom } from './mail-room.ts'
import type { NodeFigures, Observer } from './observer.ts'
import type { Outbox } from './outbox.ts'
import type { BusMessage, BusSubscription, Clock, Connection, Entropy, KeyStore, Subscription, Timer } from './ports.ts'
import { Residency, type ResidencyCap } from './residency.ts'
import { LogTrim } from './retention.ts'
import type { EffectRuntime } from './runtime.ts'
import { TreeSeal } from './seal.ts'
import type { OpenSend } from './settlement.ts'
import type { ShardMap } from './shard-map.ts'
import type { Activation, JournalRecord } from './step.ts'
import { readLeft } from './take-up.ts'
import { Resident } from './turn.ts'
import { isJson, jsonHeaders, packWire } from './wire.ts'

export interface ShardHostOptions {
  readonly defs: ReadonlyMap<string, AnyActorDef>
  readonly shardMap: ShardMap
  readonly connection: Connection
  readonly subjects: Subjects
  readonly clock: Clock
  readonly entropy: Entropy
  readonly transport: Transport
  readonly outbox: Outbox
  readonly runtime: EffectRuntime
  readonly activation: Activation
  readonly residency: ResidencyCap
  readonly keys: KeyStore
  readonly observer?: Observer
  /** Whether the lease still stands. */
  readonly valid: () => boolean
  /** Whether all nodes of its group know the type. */
  readonly isServed: (type: string) => boolean
  readonly onDoubt: (shard: ShardName) => void
  readonly onCheckpoint: (shard: ShardName, checkpoint: Checkpoint) => void
  /** The nodes that announce this logic for the type. */
  readonly servedBy: (type: string, logic: string) => readonly string[]
  readonly onLog: (text: string, data: object) => void
}

const SWEEP_MS = 5_000
const TAKE_UP_AGAIN_MS = 1_000
/** An actor that is lost again soon after is taken up after twice the pause, up to this one. */
const LONGEST_SETBACK_MS = 60_000
/** An actor that has stayed for so long has recovered. */
const RECOVERED_MS = 60_000
/** Longer than a replica lags behind its leader. */
const SECOND_LOOK_MS = 10_000
/** Receivers forget a sender after 24 h of silence: what is older than half of that is not sent again. */
const RETRY_WINDOW_MS = 12 * 3_600_000
const BURY_AGAIN_MS = 250
/** A timer of a resident that is due later than this gets a wake-up, in case that this node dies. */
const FAR_TIMER_MS = 5_000

interface OpenShard {
  readonly epoch: number
  readonly commands: readonly BusSubscription[]
  readonly notices: Subscription
  readonly residents: Map<Address, Resident>
  /** As found. */
  readonly checkpoint: Checkpoint | undefined
  readonly progress: ShardProgress
}

/** A loss that its cause may bring about again. */
interface Setback {
  readonly pauseMs: number
  readonly forgottenAt: number
  readonly timer: Timer
}

export class ShardHost {
  readonly #o: ShardHostOptions
  readonly #shards = new Map<ShardName, OpenShard>()
  readonly #residents = new Map<Address, Resident>()
  readonly #setbacks = new Map<Address, Setback>()
  /** By shard: why its scan failed last, as logged. */
  readonly #scanFailures = new Map<ShardName, string>()
  readonly #logicHashes = new Map<string, string>()
  readonly #room: MailRoom
  readonly #residency: Residency
  readonly #handover: Handover
  #sweeper: Timer | undefined
  #stopped = false

  constructor(options: ShardHostOptions) {
    this.#o = options
    for (const [type, def] of options.defs) this.#logicHashes.set(type, logicHash(def))
    const { connection, subjects, clock, entropy, onLog } = options
    this.#room = new MailRoom({
      connection,
      subjects,
      clock,
      entropy,
      shardOf: (address) => this.shardOf(address),
      isOpen: (shard) => this.#shards.has(shard),
      onMail: (address, position) => this.#wake(address)?.mailAt(position),
      onWakeUp: (address) => {
        if (this.#wake(address)?.awake === true) this.#room.awake(address)
      },
      onLog,
    })
    this.#residency = new Residency({
      cap: options.residency,
      clock,
      restingSince: (address) => this.#residents.get(address)?.restingSince,
      leave: async (address) => {
        const resident = this.#residents.get(address)
        const since = resident?.restingSince
        if (resident !== undefined && since !== undefined) await this.#passivate(address, resident, since)
      },
      onLog,
    })
    this.#handover = new Handover(clock)
    this.#sweepLater()
  }

  // ── Shards ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @param checkpoint of the owner before; undefined: nobody has written one */
  open(shard: ShardName, epoch: number, checkpoint?: Checkpoint): void {
    const { bus } = this.#o.connection
    const { subjects } = this.#o
    const subscribe = (subject: string, trusted: boolean) =>
      bus.subscribe(subject, (message) => this.#onMessage(message, trusted))
    const commands = [subscribe(subjects.commandsOf(shard), false), subscribe(subjects.internalsOf(shard), true)]
    const notices = this.#room.open(shard)
    const opened = {
      epoch,
      commands,
      notices,
      residents: new Map(),
      checkpoint,
      progress: new ShardProgress(checkpoint),
    }
    this.#shards.set(shard, opened)
    if (bus.connected) bus.publish(subjects.node('any', 'opened'), Buffer.from(JSON.stringify({ shard })))
    void this.#takeUp(shard, 'first')
    // What is read may lag behind what the last owner wrote, and that one may still be writing: what is not seen now is seen then,
    // whatever the checkpoint says.
    this.#o.clock.after(SECOND_LOOK_MS, () => this.#shards.get(shard) === opened && void this.#takeUp(shard, 'second'))
  }

  /** What a planned move waits for; undefined when the shard may be closed now. */
  handover(shard: ShardName): Promise<void> | undefined {
    const residents = [...(this.#shards.get(shard)?.residents ?? [])]
    const writing = residents.flatMap(([address, resident]) => (resident.writing ? [address] : []))
    return this.#handover.wait(shard, writing)
  }

  /** @returns where its next owner begins to look */
  async close(shard: ShardName): Promise<Checkpoint | undefined> {
    const open = this.#shards.get(shard)
    if (open === undefined) return undefined
    this.#shards.delete(shard)
    this.#handover.closed(shard)
    // Whoever writes meanwhile is told `Moved`: what were dropped would be waited for.
    const residents = [...open.residents.values()].map((resident) => resident.drain())
    await Promise.all([...residents, ...open.commands.map((subscription) => subscription.drain())])
    open.notices.unsubscribe()
    await this.#room.flush()
    return open.progress.last()
  }

  /** Drops everything at once: the lease is lost, or the system stops. */
  dropAll(): void {
    for (const [shard, { commands, notices }] of this.#shards) {
      this.#handover.closed(shard)
      for (const subscription of [...commands, notices]) subscription.unsubscribe()
    }
    this.#shards.clear()
    for (const resident of [...this.#residents.values()]) resident.stop()
  }

  stop(): void {
    this.#stopped = true
    this.#sweeper?.cancel()
    this.#room.stop()
    this.#residency.stop()
    this.dropAll()
  }

  shardOf(address: Address): ShardName {
    return this.#o.shardMap.shardOf(address)
  }

  holds(address: Address): boolean {
    return this.#shards.has(this.shardOf(address))
  }

  get residents(): readonly Address[] {
    return [...this.#residents.keys()]
  }

  /** The actors in memory with their children, as operators see them. */
  trees(limit: number): readonly ListedActor[] {
    const some = [...this.#residents].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, limit)
    return some.map(([address, resident]) => ({ ...resident.listing(), shard: this.shardOf(address) }))
  }

  /** What an observer reads when it is asked. */
  figures(node: string): NodeFigures {
    const waiting = new Map<string, number>([...this.#o.defs.keys()].map((type) => [type, 0]))
    let openEffects = 0
    for (const [address, resident] of this.#residents) {
      const { type } = splitAddress(address)
      const { load } = resident
      waiting.set(type, (waiting.get(type) ?? 0) + load.waiting)
      openEffects += load.effects
    }
    const [shards, residents, residentBytes] = [this.#shards.size, this.#residents.size, this.#residency.bytes]
    return { node, shards, residents, residentBytes, waiting, withMail: this.#room.due, openEffects }
  }

  /** Activates what earlier owners left open. What is read may lag behind: activation itself reads the leader. */
  async #takeUp(shard: ShardName, look: 'first' | 'second'): Promise<void> {
    const { connection, subjects, clock, onLog } = this.#o
    const open = this.#shards.get(shard)
    if (open === undefined) return
    const { journal } = connection
    const { progress } = open
    // The first one is to be quick. The second leaves nothing to what somebody has once written down.
    const checkpoint = look === 'first' ? open.checkpoint : undefined
    const onUnreadable = (subject: string, error: unknown) =>
      onLog('a record cannot be read; its actor is not taken up', { subject, error: String(error) })
    try {
      let upTo = 0
      for await (const left of readLeft({ journal, subjects, shard, checkpoint, onUnreadable })) {
        if (this.#shards.get(shard) !== open) return
        const { address, position, isOpen } = left
        upTo = Math.max(upTo, position)
        progress.found(address, position, isOpen)
        if (isOpen) this.#resident(address, takeUpCause(address))
      }
      if (look === 'second') progress.complete(upTo)
      this.#scanFailures.delete(shard)
    } catch (error) {
      const why = String(error)
      // An outage fails every shard's scan once a second.
      if (this.#scanFailures.get(shard) !== why)
        onLog('the scan of a shard failed; trying again', { shard, error: why })
      this.#scanFailures.set(shard, why)
      clock.after(TAKE_UP_AGAIN_MS, () => this.#shards.get(shard) === open && void this.#takeUp(shard, look))
    }
  }

  /** What an actor lost without its fault has open must not sleep until somebody writes to it. */
  #takeUpAgain(address: Address, open: OpenShard, pauseMs = TAKE_UP_AGAIN_MS): Timer {
    return this.#o.clock.after(pauseMs, () => {
      if (this.#shards.get(this.shardOf(address)) === open) this.#resident(address, takeUpCause(address))
    })
  }

  /** As `takeUpAgain`, for a cause that may still be there then: a step that the log refuses, a log that is damaged. */
  #takeUpLater(address: Address, open: OpenShard): void {
    const now = this.#o.clock.monotonic()
    const last = this.#setbacks.get(address)
    last?.timer.cancel()
    const again = last !== undefined && now < last.forgottenAt
    const pauseMs = again ? Math.min(2 * last.pauseMs, LONGEST_SETBACK_MS) : TAKE_UP_AGAIN_MS
    const timer = this.#takeUpAgain(address, open, pauseMs)
    this.#setbacks.set(address, { pauseMs, forgottenAt: now + pauseMs + RECOVERED_MS, timer })
  }

  // ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #onMessage(message: BusMessage, trusted: boolean): void {
    const asJson = isJson(message.headers)
    const route: Route = (answer) => this.#publish(message.reply, answer, asJson)
    let envelope: Envelope
    try {
      const address = this.#o.subjects.addressIn(message.subject)
      envelope = decodeEnvelope(message.data, asJson, address, () => this.#o.entropy.hex(128))
    } catch (error) {
      return route({ v: 1, ok: false, error: { ...toWire(error), code: codeOf(error), applied: 'no' } })
    }
    if (!trusted && envelope.cause.sender !== undefined) {
      const { sender: _, ...cause } = envelope.cause
      envelope = { ...envelope, cause }
    }
    if (!trusted && envelope.kind === 'operator') {
      const error = new InvalidEvent(`orders to '${envelope.to}' are taken where nodes may publish only`)
      return route({ v: 1, ok: false, error: toWire(error) })
    }
    if (!trusted && envelope.kind === 'event' && envelope.command?.client.includes('/')) {
      // It would use up the numbers of that actor's own sends.
      const error = new InvalidEvent(`a client may not be named as an actor: '${envelope.command.client}'`)
      return route({ v: 1, ok: false, error: toWire(error) })
    }
    this.receive(envelope, route, message.data.byteLength)
  }

  /** Also the way in for messages from this node itself, which never leave it. */
  receive(envelope: Envelope, told: Route, sizeBytes: number): void {
    const { observer } = this.#o
    const route = observer === undefined || envelope.kind !== 'event' ? told : this.#observed(envelope, told, observer)
    const known = this.#residents.get(envelope.to)
    if (known !== undefined && envelope.kind !== 'operator' && this.holds(envelope.to) && this.#o.valid()) {
      return known.receive(envelope, route, sizeBytes)
    }
    const refuse = (error: TroupeError) => route({ v: 1, ok: false, error: { ...toWire(error), applied: 'no' } })
    const { type } = splitAddress(envelope.to)
    if (!this.#o.defs.has(type)) return refuse(new TypeNotServed(`this node does not serve '${envelope.to}'`))
    if (!this.#o.isServed(type)) {
      return refuse(new TypeNotYetServed(`not all nodes of its group know the type of '${envelope.to}' yet`))
    }
    if (!this.holds(envelope.to) || !this.#o.valid()) {
      return refuse(new Moved(`the shard of '${envelope.to}' is not here now`))
    }
    const erases = envelope.kind === 'operator' && envelope.order.erase === true
    if (erases && this.#o.defs.get(type)?.encrypted !== true) {
      return refuse(
        new LogicRefused(`'${envelope.to}' is not encrypted: without a key of its own its log cannot be erased`),
      )
    }
    const answered = erases ? this.#erasing(envelope.to, route) : route
    this.#resident(envelope.to, envelope.cause)?.receive(envelope, answered, sizeBytes)
  }

  #observed({ to }: Envelope, told: Route, observer: Observer): Route {
    const { clock, defs } = this.#o
    const arrivedAt = clock.monotonic()
    const { type } = splitAddress(to)
    // Others may send to any type: only our own become label values.
    const known = defs.has(type) ? type : 'unknown'
    return (answer) => {
      told(answer)
      const code = answer.ok ? 'ok' : answer.error.code
      observer.answered({ type: known, code, tookMs: clock.monotonic() - arrivedAt })
    }
  }

  /** An order to erase is answered when the key is gone: from the log by its tombstone, from memory with its actor. */
  #erasing(address: Address, route: Route): Route {
    return (answer) => {
      if (!answer.ok) return route(answer.error.code === 'ActorErased' ? { v: 1, ok: true, value: null } : answer)
      void this.#o.keys.destroy(address).then(
        () => {
          this.#residents.get(address)?.stop()
          route(answer)
        },
        (error: unknown) => {
          const why = `'${address}' is destroyed, its key perhaps not; erase it again`
          route({ v: 1, ok: false, error: toWire(new LogUnavailable(why, {}, error)) })
        },
      )
    }
  }

  #resident(address: Address, cause: EnvelopeCause): Resident | undefined {
    const known = this.#residents.get(address)
    if (known !== undefined) return known
    const { type } = splitAddress(address)
    const def = this.#o.defs.get(type)
    const shard = this.shardOf(address)
    const held = this.#shards.get(shard)
    if (def === undefined || held === undefined) return undefined
    const { connection, subjects, clock, entropy, runtime, activation, observer, onLog, onDoubt } = this.#o
    const subject = subjects.journal(shard, address)
    const { journal } = connection
    const { retention, encrypted: seals = false } = def
    const seal = new TreeSeal({ address, keys: this.#o.keys, entropy, seals })
    const open = (record: JournalRecord) => seal.open(record)
    const resident: Resident = new Resident({
      address,
      def,
      logicHash: this.#logicHashes.get(type) ?? '',
      epoch: held.epoch,
      subject,
      ...(def.persistence !== 'volatile' && { seal, progress: held.progress }),
      ...(retention && { trim: new LogTrim({ address, subject, retention, journal, clock, open, onLog }) }),
      activation: { ...activation, at: clock.now(), version: def.version ?? 1 },
      journal,
      clock,
      entropy,
      runtime,
      ...(observer && { observer }),
      onEmit: (event, step) => this.#emit(address, event, step),
      onSend: (send) => this.#send(address, def.persistence === 'volatile', send),
      mail: {
        mail: connection.mail,
        subject: subjects.mail(shard, address),
        onConsumed: (position) => this.#room.consumed(address, position),
        bury: (letter, id) => this.#bury(letter, id),
      },
      onActive: () => this.#room.awake(address),
      onStateSize: (sizeBytes) => {
        if (this.#residents.get(address) === resident) this.#residency.holds(address, sizeBytes)
      },
      servedBy: (logic) => this.#o.servedBy(type, logic),
      onLog,
      onRelease: () => this.#handover.released(shard, address, () => resident.writing),
      onLost: (why, fenced) => {
        if (held.residents.get(address) === resident) held.residents.delete(address)
        this.#handover.released(shard, address, () => false)
        if (this.#residents.get(address) === resident) {
          this.#residents.delete(address)
          this.#residency.gone(address)
        }
        if (why.code === 'ActorErased') return void this.#buryMail(address, why)
        if (why.code !== 'Moved' && why.code !== 'SystemStopped')
          onLog('actor lost', { address, code: why.code, why: why.message })
        // What came while it left would wait for the next list.
        if (why.code === 'Moved' && !fenced) this.#room.announce(address)
        if (fenced) onDoubt(shard)
        if (why.code === 'LogUnavailable' || (fenced && why.code === 'Moved')) this.#takeUpAgain(address, held)
        else if (why.code !== 'Moved' && why.code !== 'SystemStopped' && def.persistence !== 'volatile')
          this.#takeUpLater(address, held)
      },
    })
    this.#residents.set(address, resident)
    held.residents.set(address, resident)
    if (def.persistence !== 'volatile') this.#residency.holds(address, 0)
    void resident.activate(cause)
    return resident
  }

  #emit(address: Address, event: Json, step: string): void {
    const { bus } = this.#o.connection
    if (!bus.connected) return
    // In JSON: whoever watches from outside has no msgpack at hand.
    bus.publish(this.#o.subjects.observation(address), packWire({ v: 1, event, step }, true), { headers: jsonHeaders })
  }

  /** To a stranger's mail for a journaled actor, at most once for a volatile one. False when this node stops first. */
  async #send(from: Address, volatile: boolean, { n, to, event, correlation, step, at }: OpenSend): Promise<boolean> {
    const { transport, outbox, clock } = this.#o
    const { type, key } = splitAddress(to)
    const cause = { correlation, causation: step, sender: from }
    if (volatile) {
      if (transport.connected) transport.send({ v: 1, kind: 'event', to: `${type}/${key}`, event, cause }, () => {})
      return true
    }
    const letter = { event, cause, command: { client: from, n } }
    const late = clock.now() - at > RETRY_WINDOW_MS
    const posted = late ? undefined : await outbox.post(`${type}/${key}`, letter)
    if (posted?.kind === 'stored') return true
    if (posted?.error.code === 'SystemStopped') return false
    const overdue = `a send of '${from}' to '${to}' could not be stored within 12 h; it is not tried again`
    const why = posted?.error ?? new RetryWindowPassed(overdue)
    const about = { ...reasonOf(why), attempts: 1, at: clock.now() }
    return this.#bury({ to: `${type}/${key}`, ...about, ...letter }, token(`${from}:${n}`))
  }

  /** False when this node stops before the letter is stored. */
  async #bury(letter: DeadLetter, id: string): Promise<boolean> {
    const { connection, subjects, clock, onLog } = this.#o
    const { to, reason, message } = letter
    onLog('dead letter', { to, reason, why: message })
    this.#o.observer?.buried({ type: splitAddress(to).type, reason })
    const bytes = packDeadLetter(letter)
    while (!this.#stopped) {
      const outcome = await connection.mail.store(subjects.deadLetters(splitAddress(to).type), bytes, {
        id: `dead.${id}`,
      })
      if (outcome.kind === 'stored') return true
      await new Promise<void>((resolve) => clock.after(BURY_AGAIN_MS, resolve))
    }
    return false
  }

  // ── Mail ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Mail or a wake-up: the actor is needed. */
  #wake(address: Address): Resident | undefined {
    const { type } = splitAddress(address)
    if (!this.#o.valid() || !this.#o.defs.has(type) || !this.#o.isServed(type)) return undefined
    return this.#resident(address, { correlation: `mail:${address}`, causation: `mail:${address}` })
  }

  /** An erased actor takes nothing any more: what lies in its mail would be announced for ever. */
  async #buryMail(address: Address, error: TroupeError): Promise<void> {
    const { connection, subjects, clock, onLog } = this.#o
    const { mail } = connection
    try {
      const subject = subjects.mail(this.shardOf(address), address)
      for await (const entry of mail.read(subject)) {
        for (const letter of lettersIn(entry, address, mail.streamId)) {
          const dead = untakenLetter(address, letter, error, clock.now())
          if (!(await this.#bury(dead.letter, dead.id))) return
        }
        await mail.purge(subject, entry.position)
      }
    } catch (failure) {
      onLog('the mail of an erased actor could not be buried', { actor: address, error: String(failure) })
    }
  }

  #publish(reply: string | undefined, answer: WireAnswer, asJson: boolean): void {
    const { bus } = this.#o.connection
    if (reply === undefined || !reply.startsWith(`${this.#o.subjects.inboxRoot}.`) || !bus.connected) return
    bus.publish(reply, packed(answer, asJson), asJson ? { headers: jsonHeaders } : {})
  }

  // ── Passivation ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #sweepLater(): void {
    this.#sweeper = this.#o.clock.after(SWEEP_MS, () => {
      const now = this.#o.clock.monotonic()
      for (const [address, resident] of [...this.#residents]) {
        const { idleAfterMs = 60_000 } = this.#o.defs.get(splitAddress(address).type) ?? {}
        if (restsAt(resident, now - idleAfterMs)) void this.#passivate(address, resident, now - idleAfterMs)
        else void this.#planWakeUp(address, resident)
      }
      for (const [shard, { progress }] of this.#shards) {
        const checkpoint = progress.next()
        if (checkpoint !== undefined) this.#o.onCheckpoint(shard, checkpoint)
      }
      for (const [address, { forgottenAt }] of this.#setbacks) if (forgottenAt <= now) this.#setbacks.delete(address)
      if (!this.#stopped) this.#sweepLater()
    })
  }

  /** A wake-up takes the place of its timers. */
  async #passivate(address: Address, resident: Resident, since: number): Promise<void> {
    const { nextDue } = resident
    if (nextDue !== undefined && !(await this.#room.planWakeUp(address, nextDue))) return
    if (!restsAt(resident, since)) return
    await resident.drain()
    if (!this.#residents.has(address)) this.#shards.get(this.shardOf(address))?.progress.asleep(address)
  }

  async #planWakeUp(address: Address, { nextDue }: Resident): Promise<void> {
    if (nextDue !== undefined && nextDue > this.#o.clock.now() + FAR_TIMER_MS) {
      await this.#room.planWakeUp(address, nextDue)
    }
  }
}

function restsAt({ restingSince }: Resident, monotonic: number): boolean {
  return restingSince !== undefined && restingSince <= monotonic
}

/** What was committed may be larger than a message: then that is the answer. */
function packed(answer: WireAnswer, asJson: boolean): Uint8Array {
  try {
    return packWire(answer, asJson)
  } catch (error) {
    const { step } = answer
    return packWire({ v: 1, ok: false, error: { ...toWire(error), applied: 'unknown' }, ...(step && { step }) }, asJson)
  }
}

function takeUpCause(address: Address): EnvelopeCause {
  return { correlation: `takeup:${address}`, causation: `takeup:${address}` }
}

function codeOf(error: unknown): string {
  const { code } = toWire(error)
  return code === 'ActorFailed' ? 'InvalidEvent' : code
}
