/**
 * A system: one process's membership in a namespace. It hosts the actors it was given and talks to all others.
 *
 * Owns the connection and everything that runs on it; `stop` leaves nothing behind. Two systems in one process share nothing
 * unless they are given the same backend.
 */
import type { AnyActorLogic } from 'xstate'
import { activationFacts } from './activation-facts.ts'
import type { ActorDef, AnyActorDef } from './actor.ts'
import { type Address, addressOf, type ShardName, Subjects } from './address.ts'
import { Asker } from './asker.ts'
import { checkOptions, definitionsByType } from './check-options.ts'
import { realClock } from './clock.ts'
import { type ClusterTree, readClusterTree } from './cluster-tree.ts'
import { decode, hashOf } from './codec.ts'
import { type ListedDeadLetter, readDeadLetters } from './dead-letter.ts'
import { Deliveries } from './deliveries.ts'
import type { Effect } from './effect.ts'
import { cryptoEntropy } from './entropy.ts'
import { dataIn } from './envelope.ts'
import { ActorDone, InvalidAddress, LogicRefused, SystemStopped } from './errors.ts'
import { storedKeys } from './keys.ts'
import { logicHash } from './logic-hash.ts'
import { Membership, type MembershipOptions } from './membership.ts'
import { memory } from './memory/backend.ts'
import { serveMicro } from './micro-service.ts'
import { agreeOnNamespace, type NamespaceRecord, readNamespace } from './namespace-record.ts'
import { nodeService } from './node-service.ts'
import { guarded, type Observer } from './observer.ts'
import { Outbox } from './outbox.ts'
import { type EffectOverrides, Overrides } from './overrides.ts'
import type { Backend, Clock, Connection, Durability, Entropy, KeyStore, Subscription } from './ports.ts'
import type { AnyProtocol } from './protocol.ts'
import { redrive } from './redrive.ts'
import { ActorRef, type Ref, type RefOptions } from './ref.ts'
import type { ResidencyCap } from './residency.ts'
import {
  type AnyEffect,
  EffectRegistry,
  isAnswer,
  RUN_TIMEOUT_MS,
  type RunOptions,
  resultOf,
  runActor,
  runSays,
  UNANSWERED,
} from './run.ts'
import type { EffectRuntime } from './runtime.ts'
import { ShardHost } from './shard-host.ts'
import { ShardMap } from './shard-map.ts'
import { SharedParts } from './shared-parts.ts'
import type { Activation } from './step.ts'
import type { Order } from './supervision.ts'
import { type ChildStatus, isSupervisor, SUPERVISOR_KEY, type SupervisedSet, type SupervisorDef } from './supervisor.ts'
import { BusTransport } from './transport.ts'
import { type LifeFact, type WatchOptions, watchLife } from './watch.ts'
import { selfTest } from './xstate-inside.ts'

export interface SystemOptions {
  /** What this node can host; none: a client. */
  readonly actors?: readonly AnyActorDef[]
  /** @defaultValue `memory()`, a world of its own */
  readonly backend?: Backend
  /** Shown to operators: letters, digits, `_-=` and dots; must differ between nodes. @defaultValue `node-<8 random hex digits>` */
  readonly node?: string
  /** Shards of a group that does not exist yet: fixed for ever, at least 8 per node you will ever have. @defaultValue 256; 16 in a world of its own, which no other node will share */
  readonly shards?: number
  /** How long a silent node keeps its shards; whole seconds, at least 3,000. @defaultValue 20_000 */
  readonly leaseMs?: number
  /** What this node keeps in memory of its journaled actors; those that have rested longest leave it. */
  readonly residency?: ResidencyCap
  /** Where the keys of encrypted actors are. @defaultValue the store of the backend: `keys.ts` says what that protects */
  readonly keys?: KeyStore
  /** Version of your application, recorded with every activation. @defaultValue 'unknown' */
  readonly app?: string
  /**
   * Effects that `run` finds here by name, beside those of the actors' logics. With them a node without actors hosts runs too:
   * for namespaces whose group `main` serves nothing else.
   */
  readonly provides?: readonly AnyEffect[]
  /** Types that the other nodes of its groups still serve and this one no longer does: they are served no more from now on. */
  readonly retires?: readonly string[]
  /** What runs in the place of effects, by name; for tests (`withMockedService`). */
  readonly effects?: EffectOverrides
  /** What the runtime has to say to operators. @defaultValue nothing */
  readonly onLog?: (text: string, data: object) => void
  /** Is told what this node does: for metrics. @defaultValue none, and nothing is measured */
  readonly observer?: Observer
  readonly clock?: Clock
  readonly entropy?: Entropy
}

export interface GetOptions {
  /** Messages to an actor that was never reached by one fail with `ActorNotFound`: for keys that may be mistyped. */
  readonly mustExist?: boolean
}

/** A reference, or any other thing with an address. */
export interface Addressed {
  readonly address: Address
}

export interface OrderOptions {
  /** For whoever reads the log. */
  readonly reason?: string
  /** @defaultValue 5_000 */
  readonly timeoutMs?: number
}

export interface DestroyOptions extends OrderOptions {
  /**
   * The key of its log is destroyed too: nobody can read it any more, and its address is never used again (`ActorErased`). For
   * encrypted types only.
   */
  readonly erase?: boolean
}

export interface SupervisorRef<C extends SupervisedSet> extends Addressed {
  /** A child of the set, on whatever node it is. */
  child<K extends keyof C & string>(
    name: K,
  ): C[K]['actor'] extends ActorDef<infer P, infer L> ? Ref<P, L> : Ref<AnyProtocol>
  /** Where the children are, and which have ended for good. */
  status(): Promise<{ readonly [K in keyof C]: ChildStatus }>
}

export interface System extends AsyncDisposable {
  readonly node: string
  readonly durability: Durability
  /** Never creates, never fails: the first message makes the actor. `mustExist`: it is told `ActorNotFound` instead. */
  get<P extends AnyProtocol, L extends AnyActorLogic>(
    actor: ActorDef<P, L>,
    key: string,
    options?: GetOptions,
  ): Ref<P, L>
  get<P extends AnyProtocol>(protocol: P, key: string, options?: GetOptions): Ref<P>
  get<C extends SupervisedSet>(supervisor: SupervisorDef<C>): SupervisorRef<C>
  /**
   * Runs an effect from outside any actor, recorded in `run/<id>`: on this node when it hosts runs and no idempotency key sends
   * it elsewhere, else on a node that knows the effect by name.
   * @throws the effect's own error, EffectFailed around one that is none of ours, EffectNotServed, Timeout
   */
  run<I, O>(effect: Effect<I, O>, input: I, options?: RunOptions): Promise<O>
  /**
   * Orders of a person, recorded as steps. They need the right to publish where nodes do. `start` brings a stopped or quarantined
   * actor back from its last committed state and gives one that is done or destroyed a new life; `reset` makes any actor anew;
   * `destroy` ends it: its address answers `ActorDestroyed` for 30 days, the log stays.
   */
  start(actor: Addressed, options?: OrderOptions): Promise<void>
  /** As `start`, and an actor that has not ended begins its effects again. */
  restart(actor: Addressed, options?: OrderOptions): Promise<void>
  reset(actor: Addressed, options?: OrderOptions): Promise<void>
  destroy(actor: Addressed, options?: DestroyOptions): Promise<void>
  /** Nodes, their shards, the actors in their memory and the children of those, as they are now. */
  actors(options?: { readonly timeoutMs?: number }): Promise<ClusterTree>
  /** What happens to an actor's life: started, failed and what became of it, moved, ended. From its log, from now on. */
  watch(actor: Addressed, options?: WatchOptions): AsyncIterable<LifeFact>
  /** The node that holds an actor's shard now, as far as this node knows. */
  locate(address: Address): Promise<{ readonly shard: ShardName; readonly node: string | undefined }>
  /** What effects of this node see of it; for bridges that work outside actors. */
  readonly runtime: EffectRuntime
  readonly connection: Connection
  /** What the observer of this node reports now; undefined without one. */
  metrics(): readonly object[] | undefined
  /** Letters that nobody has applied, of all actors or of one type; the oldest first. */
  deadLetters(type?: string): AsyncIterable<ListedDeadLetter>
  /**
   * Delivers its event again, as a new letter, and takes it off the list; several at once deliver one (`redrive.ts` says what else is
   * promised). False when it is not there any more.
   * @throws InvalidEvent when its event is not kept; what `deliver` throws
   */
  redrive(letter: ListedDeadLetter): Promise<boolean>
  /** Waits up to 5 s for running writes, finishes turns, hands the shards over, leaves, stops. Nothing to do after `stop`. */
  drain(): Promise<void>
  /** Ends at once: nothing is handed over; what was acknowledged is in the log. */
  stop(): Promise<void>
}

const WAKE_MS = 60_000

/**
 * @throws RangeError for an option out of bounds; DurabilityRefused when the backend is less durable than it was asked to be;
 * LogicRefused for what is no definition and for two of one type; whatever the backend says when it cannot be reached
 */
export async function createSystem(options: SystemOptions = {}): Promise<System> {
  const { actors = [], backend = memory(), leaseMs = 20_000, onLog = () => {} } = options
  const { shards = options.backend === undefined ? 16 : 256 } = options // each takes 40 µs to open
  const { clock = realClock(), entropy = cryptoEntropy(), app = 'unknown', residency = {} } = options
  const node = options.node ?? `node-${entropy.hex(32)}`
  checkOptions({ actors, node, shards, leaseMs, residency })
  selfTest()
  const { provides = [], retires = [] } = options
  const registry = new EffectRegistry(provides, actors)
  const runs = provides.length > 0 || actors.some(({ group = 'main' }) => group === 'main')
  const hosted = runs ? [...actors, runActor(registry)] : actors
  const defs = definitionsByType(hosted)
  const connection = await backend.connect({ name: node, clock, entropy })
  let system: RunningSystem | undefined
  try {
    const record =
      hosted.length > 0
        ? await agreeOnNamespace(connection.store, connection.journal.streamId, hosted, shards)
        : ((await readNamespace(connection.store)) ?? { v: 1, streamId: '', groups: { main: shards }, types: {} })
    const effects = new Overrides(options.effects)
    const keys = options.keys ?? storedKeys(connection.store)
    const parts = {
      node,
      app,
      defs,
      registry,
      connection,
      record,
      leaseMs,
      retires,
      residency,
      keys,
      effects,
      onLog,
      clock,
      entropy,
      observer: options.observer && guarded(options.observer, onLog),
    }
    system = new RunningSystem(parts)
    await system.join()
    return system
  } catch (error) {
    await (system?.stop() ?? connection.close())
    throw error
  }
}

interface Parts {
  readonly node: string
  readonly app: string
  readonly defs: ReadonlyMap<string, AnyActorDef>
  readonly registry: EffectRegistry
  readonly connection: Connection
  readonly record: NamespaceRecord
  readonly leaseMs: number
  readonly retires: readonly string[]
  readonly residency: ResidencyCap
  readonly keys: KeyStore
  readonly effects: Overrides
  readonly onLog: (text: string, data: object) => void
  readonly clock: Clock
  readonly entropy: Entropy
  readonly observer: Observer | undefined
}

class RunningSystem implements System {
  readonly node: string
  readonly connection: Connection
  readonly runtime: EffectRuntime
  readonly #parts: Parts
  readonly #subjects: Subjects
  readonly #asker: Asker
  readonly #transport: BusTransport
  readonly #outbox: Outbox
  readonly #deliveries: Deliveries
  readonly #host: ShardHost
  readonly #shared = new SharedParts()
  readonly #shardMap: ShardMap
  readonly #activation: Activation
  #service: Subscription | undefined
  readonly #idRoot: string
  #ids = 0
  readonly #membership: Membership | undefined
  #stopped: Promise<void> | undefined
  #drained: Promise<void> | undefined

  constructor(parts: Parts) {
    const { node, app, connection, record, clock, entropy, effects, defs, residency, keys, onLog, observer } = parts
    this.#parts = parts
    this.#activation = { namespace: connection.namespace, ...activationFacts(node, app, clock) }
    this.#idRoot = entropy.hex(80)
    this.#shardMap = new ShardMap({ record, read: () => readNamespace(connection.store), clock })
    this.node = node
    this.connection = connection
    this.#subjects = new Subjects(connection.namespace)
    const { mail, bus } = connection
    this.#transport = new BusTransport({
      bus,
      subjects: this.#subjects,
      clock,
      shardOf: (address) => this.#shardOf(address),
      holds: (address) => this.#host.holds(address),
      receive: (...message) => this.#host.receive(...message),
      check: () => this.#checkRunning(),
      onOpened: (isThere) => this.#asker.wake(isThere),
    })
    this.#asker = new Asker(this.#transport, clock, entropy)
    const shardOf = (address: Address) => this.#shardMap.servedShardOf(address)
    this.#outbox = new Outbox({ mail, clock, subjects: this.#subjects, shardOf })
    this.#deliveries = new Deliveries(this.#outbox, bus, clock, entropy)
    this.runtime = {
      namespace: connection.namespace,
      node,
      servers: connection.servers,
      ...(connection.creds !== undefined && { creds: connection.creds }),
      subjects: this.#subjects,
      bus: connection.bus,
      clock,
      entropy,
      effects,
      lives: {
        watch: (address, options) => watchLife(connection.journal, this.#subjects, address, options, keys),
        order: async (to, order, call) => {
          await this.#asker.ask({ to, event: null, order, ...call })
        },
      },
      shared: (Class, name) => this.#shared.get(Class, this.runtime, name),
      ask: (protocol, key, event, options) => this.#refTo(addressOf(protocol.type, key)).ask(event, options),
    }
    this.#host = new ShardHost({
      defs,
      shardMap: this.#shardMap,
      connection,
      subjects: this.#subjects,
      clock,
      entropy,
      transport: this.#transport,
      outbox: this.#outbox,
      runtime: this.runtime,
      activation: this.#activation,
      residency,
      keys,
      ...(observer && { observer }),
      valid: () => this.#membership?.valid ?? false,
      isServed: (type) => this.#membership?.isServed(type) ?? false,
      onCheckpoint: (shard, checkpoint) => this.#membership?.note(shard, checkpoint),
      onDoubt: (shard) => void this.#membership?.doubt(shard),
      servedBy: (type, logic) => this.#membership?.servedBy(type, logic) ?? [],
      onLog,
    })
    this.#membership = defs.size === 0 ? undefined : new Membership(this.#membershipOptions())
  }

  #membershipOptions(): MembershipOptions {
    const { node, defs, connection, record, clock, entropy, leaseMs, retires, onLog } = this.#parts
    const served = new Set([...defs.values()].map(({ group = 'main' }) => group))
    return {
      node,
      groups: Object.fromEntries(Object.entries(record.groups).filter(([group]) => served.has(group))),
      logics: Object.fromEntries([...defs].map(([type, def]) => [type, logicHash(def)])),
      types: record.types,
      retires,
      store: connection.store,
      bus: connection.bus,
      subjects: this.#subjects,
      clock,
      entropy,
      leaseMs,
      onOpen: (...opened) => this.#host.open(...opened),
      onMove: (shard) => this.#host.handover(shard),
      onClose: (shard) => this.#host.close(shard),
      onFenced: () => this.#host.dropAll(),
      onLog,
    }
  }

  async join(): Promise<void> {
    const membership = this.#membership
    if (membership === undefined) return
    const { connection, defs, clock, node } = this.#parts
    this.#service = serveMicro(
      connection.bus,
      clock,
      nodeService({
        node,
        id: membership.id,
        version: this.#activation.runtime,
        durability: connection.durability,
        types: [...defs.keys()].filter((type) => type !== runSays.type),
        subjects: this.#subjects,
        shardOf: (address) => this.#shardOf(address),
        view: () => membership.view,
        shards: () => membership.openShards,
        residents: () => this.#host.residents,
        trees: (limit) => this.#host.trees(limit),
        metrics: () => this.metrics(),
      }),
    )
    await membership.join()
    for (const def of defs.values()) if (isSupervisor(def)) void this.#wake(def)
  }

  get durability(): Durability {
    return this.connection.durability
  }

  metrics(): readonly object[] | undefined {
    return this.#parts.observer?.report(this.#host.figures(this.node))
  }

  get<P extends AnyProtocol, L extends AnyActorLogic>(
    actor: ActorDef<P, L>,
    key: string,
    options?: GetOptions,
  ): Ref<P, L>
  get<P extends AnyProtocol>(protocol: P, key: string, options?: GetOptions): Ref<P>
  get<C extends SupervisedSet>(supervisor: SupervisorDef<C>): SupervisorRef<C>
  // The types of the overloads are promises about data that the receiving node checks against the protocol.
  get(target: AnyActorDef | AnyProtocol, given?: string, { mustExist = false }: GetOptions = {}): unknown {
    const protocol = 'protocol' in target ? target.protocol : target
    const key = given ?? (isSupervisor(target) ? SUPERVISOR_KEY : undefined)
    if (key === undefined) throw new InvalidAddress(`an actor of type '${protocol.type}' needs a key; none was given`)
    const address = addressOf(protocol.type, key)
    const ref = this.#refTo(address, {
      ...('protocol' in target && { def: target }),
      ...(mustExist && { mustExistAt: this.#subjects.journal(this.#shardOf(address), address) }),
    })
    return isSupervisor(target) ? this.#supervisorRef(target, ref) : ref
  }

  #supervisorRef({ children }: SupervisorDef<SupervisedSet>, ref: ActorRef) {
    return {
      address: ref.address,
      status: () => ref.ask({ type: 'status' }),
      child: (name: string) => {
        const child = children[name]
        if (child === undefined) throw new LogicRefused(`'${ref.address}' has no child '${name}'`)
        return this.#refTo(addressOf(child.actor.protocol.type, child.key ?? name), { def: child.actor })
      },
    }
  }

  /** The first message makes an actor; a supervisor is to begin without one. */
  async #wake(def: AnyActorDef): Promise<void> {
    const { onLog } = this.#parts
    const ref = this.#refTo(addressOf(def.protocol.type, SUPERVISOR_KEY))
    try {
      await ref.ask({ type: 'status' }, { timeoutMs: WAKE_MS })
    } catch (error) {
      if (this.#stopped === undefined) onLog('a supervisor has not begun', { actor: ref.address, error: String(error) })
    }
  }

  async run<I, O>(effect: Effect<I, O>, input: I, options: RunOptions = {}): Promise<O> {
    const { name, class: effectClass } = effect.effect
    const { timeoutMs = RUN_TIMEOUT_MS, idempotencyKey } = options
    const key = idempotencyKey === undefined ? this.#freshRun() : hashOf([name, idempotencyKey])
    const takeBack = this.#parts.registry.lend(key, effect)
    const question = { type: 'run', effect: name, class: effectClass, input }
    try {
      const answer = await this.#refTo(addressOf(runSays.type, key)).ask(question, { timeoutMs, idempotencyKey: key })
      // The type is what the effect promises; what is recorded was encoded from what it gave.
      return resultOf(name, isAnswer(answer) ? answer : UNANSWERED) as O
    } catch (error) {
      if (!(error instanceof ActorDone)) throw error
      // Its key is older than what is kept for repeated commands: the actor still knows its end.
      const output: unknown = decode(dataIn(error.details['output'] ?? null, 'output'))
      return resultOf(name, isAnswer(output) ? output : UNANSWERED) as O
    } finally {
      takeBack()
    }
  }

  actors({ timeoutMs }: { readonly timeoutMs?: number } = {}): Promise<ClusterTree> {
    return readClusterTree(this.connection, this.#subjects, this.#parts.clock, timeoutMs)
  }

  watch(actor: Addressed, options: WatchOptions = {}): AsyncIterable<LifeFact> {
    return watchLife(this.connection.journal, this.#subjects, actor.address, options, this.#parts.keys)
  }

  start(actor: Addressed, options?: OrderOptions): Promise<void> {
    return this.#order('start', actor, options)
  }

  restart(actor: Addressed, options?: OrderOptions): Promise<void> {
    return this.#order('restart', actor, options)
  }

  reset(actor: Addressed, options?: OrderOptions): Promise<void> {
    return this.#order('reset', actor, options)
  }

  destroy(actor: Addressed, { erase = false, ...options }: DestroyOptions = {}): Promise<void> {
    return this.#order('destroy', actor, options, erase)
  }

  deadLetters(type?: string): AsyncIterable<ListedDeadLetter> {
    return readDeadLetters(this.connection.mail, this.#subjects, type)
  }

  redrive(letter: ListedDeadLetter): Promise<boolean> {
    const { mail } = this.connection
    return redrive(letter, { mail, outbox: this.#outbox, subjects: this.#subjects, clock: this.#parts.clock })
  }

  async #order(
    kind: Order['kind'],
    actor: Addressed,
    { timeoutMs = 5_000, reason }: OrderOptions = {},
    erase = false,
  ): Promise<void> {
    const correlation = this.#newId()
    await this.#asker.ask({
      to: actor.address,
      event: null,
      order: { kind, ...(reason !== undefined && { reason }), ...(erase && { erase }) },
      cause: { correlation, causation: `operator:${correlation}` },
      timeoutMs,
    })
  }

  #newId = (): string => `${this.#idRoot}-${(++this.#ids).toString(36)}`

  /** An id whose shard is on this node if it has some: a lent effect is found only here. */
  #freshRun(): string {
    const fresh = () => this.#parts.entropy.hex(96)
    const ids = Array.from({ length: 64 }, fresh)
    return ids.find((id) => this.#host.holds(addressOf(runSays.type, id))) ?? fresh()
  }

  #refTo(address: Address, more: Pick<RefOptions, 'def' | 'mustExistAt'> = {}): ActorRef {
    const { clock } = this.#parts
    const { bus } = this.connection
    return new ActorRef(address, {
      asker: this.#asker,
      deliveries: this.#deliveries,
      transport: this.#transport,
      subscribe: (...given) => {
        this.#checkRunning()
        return bus.subscribe(...given)
      },
      journal: this.connection.journal,
      keys: this.#parts.keys,
      subjects: this.#subjects,
      clock,
      ...more,
      newId: this.#newId,
    })
  }

  #shardOf(address: Address): ShardName {
    return this.#shardMap.shardOf(address)
  }

  async locate(address: Address): Promise<{ readonly shard: ShardName; readonly node: string | undefined }> {
    this.#checkRunning()
    const shard = (await this.#shardMap.servedShardOf(address)) ?? this.#shardOf(address)
    const entry = await this.connection.store.get(`shard.${shard}`)
    const key: unknown = entry === undefined ? undefined : JSON.parse(new TextDecoder().decode(entry.value))
    const owner = typeof key === 'object' && key !== null && 'owner' in key ? String(key.owner) : ''
    // A member id is `<node>-<8 hex>-<incarnation>`.
    return { shard, node: owner === '' ? undefined : owner.replace(/-[0-9a-f]{8}-\d+$/, '') }
  }

  #checkRunning(): void {
    if (this.#stopped !== undefined) throw new SystemStopped(`system '${this.node}' has stopped`, {}, 'no')
  }

  drain(): Promise<void> {
    this.#drained ??= this.#drain()
    return this.#drained
  }

  /** What cannot be handed over is taken over when the lease runs out: no reason to fail, nor to stay. */
  async #drain(): Promise<void> {
    if (this.#stopped === undefined) {
      try {
        await this.#membership?.leave()
      } catch (error) {
        const { node, onLog } = this.#parts
        if (this.#stopped === undefined) onLog('shards not handed over', { node, error: String(error) })
      }
    }
    await this.stop()
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#service?.unsubscribe()
    this.#membership?.abandon()
    this.#asker.stop()
    this.#transport.close()
    this.#outbox.stop()
    this.#host.stop()
    this.#shared.close()
    await this.connection.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain()
  }
}
