/**
 * Runs one XState actor tree as a fold over recorded inputs.
 *
 * The tree runs on XState's own Actor, Mailbox and System, so its semantics are XState's and not a copy. Only the seams to
 * the world are replaced, once per tree: births (`_sendInspectionEvent`), messages (`_relay`), timers (`scheduler`), user
 * actions, emits and logs (the actor scope), and effect logic (`start`, `transition`).
 *
 * Owns: the live tree, its timers, its running effects, the counters behind child ids. Knows nothing of logs, mail or NATS.
 *
 * 1. A step is synchronous and pure: one input, and everything that follows from it in the whole tree. What would touch the
 *    world becomes an intent, to be released by the caller after the commit.
 * 2. Whatever arrives from the world while no step runs is handed out as an input (`onInput`), never applied.
 * 3. `restore(state())` followed by the same inputs gives the same steps, byte for byte.
 * 4. Ids of children are `<id or src>:<n>`, n per parent and name, and part of the state.
 * 5. A restored effect starts in `resume` only; a `write` effect that had begun is reported, never run again.
 */
import { type AnyActorLogic, createActor } from 'xstate'
import { decode, encode, isFlat, type Json, type RefCodec } from './codec.ts'
import { type EffectClass, effectOf } from './effect.ts'
import { EffectOutcomeUnknown, LogicRefused, NotSerializable, toWire } from './errors.ts'
import type { EffectRuntime } from './runtime.ts'
import { dumpTree, fillActor, pairsOf, persistedShape, type TreeState } from './snapshot.ts'
import type { Step } from './step.ts'
import type { Order } from './supervision.ts'
import { type Draw, installTape, play, record } from './tape.ts'
import {
  BUILTIN_ACTIONS,
  type EffectScope,
  type HostSeam,
  type InsideActor,
  type InsideEvent,
  type InsideLogic,
  type InspectionEvent,
  inside,
  insideLogic,
  kindOf,
  type LogicKind,
  putHost,
  type ReplyIntent,
  type SendIntent,
} from './xstate-inside.ts'

/** Where something began: the step that made it, and the ask at the root of that step's chain of causes. */
export interface Origin {
  readonly step: string
  readonly correlation: string
  readonly ask?: string
  /** Event type of that ask. */
  readonly askType?: string
}

/** `path`: place in the tree, '' is the root. Events are encoded data. */
export type Input =
  | { readonly kind: 'init'; readonly event: Json }
  | { readonly kind: 'message'; readonly path: string; readonly from?: string; readonly event: Json }
  | { readonly kind: 'timer'; readonly timer: number }
  | { readonly kind: 'effect.started'; readonly from: string }
  | {
      readonly kind: 'effect.done' | 'effect.error' | 'effect.event'
      readonly from: string
      readonly path: string
      readonly event: Json
      readonly evidence?: Json
    }
  | { readonly kind: 'action.error'; readonly path: string; readonly event: Json }
  /** Nothing for the tree: earlier sends are over. */
  | { readonly kind: 'settled' }
  /** What a person has ordered. With `init` a new tree takes the place of the old one. */
  | { readonly kind: 'operator'; readonly order: Order['kind']; readonly reason?: string; readonly init?: Json }

/** What a step made; derived from its input, recorded to be read and to be compared when the step is folded again. */
export interface Made {
  children?: { path: string; id: string; src: string; effect?: { name?: string; class: EffectClass } }[]
  stopped?: string[]
  timers?: { n: number; path: string; event: Json; due: number }[]
  cancelled?: number[]
  intents?: { kind: IntentKind; path: string; type?: string; data?: Json }[]
  replies?: { type: string; value: Json; to: ReplyIntent['to'] }[]
  sends?: { to: string; event: Json }[]
}

type IntentKind = 'action' | 'emit' | 'log' | 'start' | 'receive' | 'dispose'

/** Something to do after the commit, in order. */
export interface Intent {
  readonly kind: IntentKind
  readonly path: string
  readonly origin: Origin
  readonly run: () => void
}

export interface Outcome {
  readonly status: 'active' | 'done' | 'error' | 'stopped'
  readonly error?: unknown
  /** The addressed machine had no transition for the message. */
  readonly rejected?: { readonly reason: 'state' | 'guard'; readonly accepts: readonly string[] }
  readonly draws: readonly Draw[]
  readonly made: Made
  readonly intents: readonly Intent[]
}

interface HostTimer {
  readonly n: number
  readonly key: string
  readonly source: InsideActor
  readonly target: InsideActor
  readonly event: InsideEvent
  readonly due: number
  readonly origin: Origin
}

export interface RunningEffect {
  readonly origin: Origin
  readonly name: string
  readonly class: EffectClass
  /** Inputs from it that are recorded; a re-run source under `skip` drops as many. */
  recorded: number
  /** Its `effect.started` is recorded (write effects only). */
  began: boolean
}

export interface HostState {
  readonly tree: TreeState
  readonly counts: { readonly [name: string]: number }
  readonly timerCount: number
  readonly timers: readonly {
    readonly n: number
    readonly key: string
    readonly source: string
    readonly target: string
    readonly event: Json
    readonly due: number
    readonly origin: Origin
    /** False: a younger timer took its id; it still fires but cannot be cancelled (as in XState). */
    readonly live: boolean
  }[]
  readonly effects: {
    readonly [path: string]: RunningEffect
  }
}

export interface HostOptions {
  readonly address: string
  readonly logic: AnyActorLogic
  readonly runtime?: EffectRuntime
  readonly random: () => number
  readonly onInput: (input: Input, origin: Origin | undefined) => void
  readonly onEmit?: (path: string, event: Json) => void
  readonly onLog?: (path: string, args: readonly unknown[]) => void
  readonly resume?: { readonly [src: string]: 'restart' | 'skip' }
}

/** Messages between actors of one tree within one step; more is an endless exchange. */
const MAX_RELAYS = 10_000

const EMPTY: InsideLogic & { getInitialSnapshot(): object } = {
  transition: (snapshot) => snapshot,
  getInitialSnapshot: () => ({ status: 'active' }),
  getPersistedSnapshot: (snapshot) => snapshot,
}

export class LogicHost implements HostSeam {
  readonly #options: HostOptions
  readonly #root: InsideActor
  readonly #actors = new Map<string, InsideActor>()
  readonly #counts = new Map<string, number>()
  readonly #timers = new Map<number, HostTimer>()
  readonly #timerOfKey = new Map<string, number>()
  readonly #effects = new Map<string, RunningEffect>()
  /** Effects whose `start` ran in this process, with their original logic. */
  readonly #started = new Map<string, InsideLogic>()
  readonly #evidence = new Map<string, { readonly [name: string]: unknown }>()
  readonly #skip = new Map<string, number>()
  readonly #proxies = new WeakMap<object, InsideLogic>()
  readonly #refs: RefCodec
  #timerCount = 0
  #now = 0
  #phase: 'idle' | 'step' | 'restore' | 'closed' = 'idle'
  /** Effects that another process, or this one before a failure, may have begun. */
  readonly #resumed = new Set<string>()
  #origin: Origin | undefined
  #made: Made = {}
  #intents: Intent[] = []
  #relays = 0
  #microsteps = 0
  #addressed: InsideEvent | undefined
  #rejected: Outcome['rejected']
  #refusal: LogicRefused | undefined

  constructor(options: HostOptions) {
    installTape()
    this.#options = options
    // The root's system exists only inside the Actor constructor: build it on an empty logic, patch, then give it its logic.
    const root = inside(createActor(EMPTY as unknown as AnyActorLogic, { logger: () => {} }))
    root.sessionId = root._actorScope.sessionId = root.id = root._actorScope.id = options.address
    root.logic = insideLogic(options.logic)
    root.src = options.logic
    root.observers.add({ error() {} }) // otherwise XState throws a root error from a timer and ends the process
    this.#root = root
    this.#refs = {
      nameOf: (value) => (isActor(value) ? { path: this.#pathOf(value), id: value.id } : undefined),
      find: (path, id) => this.#actors.get(path) ?? this.#gone(path, id),
    }
    const { system } = root
    putHost(system, this)
    system._bookId = () => ''
    system._sendInspectionEvent = (event) => this.#inspected(event)
    system._relay = (source, target, event) => this.#relay(source, target, event)
    const unregister = system._unregister
    system._unregister = (actor) => {
      const path = this.#pathOf(actor)
      if (this.#actors.get(path) === actor) {
        this.#actors.delete(path)
        this.#effects.delete(path)
        if (this.#phase === 'step') {
          add(this.#made, 'stopped', path)
          if (actor._snapshot.status === 'error' || actor._processingStatus === 0) this.#stopBelow(path)
        }
      }
      unregister(actor)
    }
    system.scheduler = {
      schedule: (source, target, event, delay, id) => this.#schedule(source, target, event, delay, id),
      cancel: (source, id) => this.#cancel(`${this.#pathOf(source)}.${id}`),
      cancelAll: (source) => {
        // In the order in which they were set, which a restart keeps.
        for (const [n, timer] of this.#timers) {
          if (timer.source === source && this.#timerOfKey.get(timer.key) === n) this.#cancel(timer.key)
        }
      },
    }
    this.#patchScope(root)
  }

  // ── Steps ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Applies one input. With `draws` it is a fold of a recorded step. The state may be read only when no error came out. */
  step(input: Input, now: number, origin: Origin, draws?: readonly Draw[]): Outcome {
    this.#begin(now, origin)
    let drawn: readonly Draw[] = draws ?? []
    try {
      if (draws === undefined) drawn = record(now, this.#options.random, () => this.#apply(input)).draws
      else play({ now, draws }, () => this.#apply(input))
    } finally {
      this.#phase = 'idle'
    }
    const { status, error } = this.#root._snapshot
    const failed = this.#refusal ?? (status === 'error' ? error : undefined)
    return {
      status: failed === undefined ? status : 'error',
      ...(failed !== undefined && { error: failed }),
      ...(this.#rejected && { rejected: this.#rejected }),
      draws: drawn,
      made: this.#made,
      intents: this.#intents,
    }
  }

  #begin(now: number, origin: Origin): void {
    this.#made = {}
    this.#intents = []
    this.#relays = this.#microsteps = 0
    this.#rejected = this.#refusal = this.#addressed = undefined
    this.#now = now
    this.#origin = origin
    this.#phase = 'step'
  }

  #apply(input: Input): void {
    switch (input.kind) {
      case 'init':
        return this.#initialise(input.event)
      case 'operator':
        return input.init === undefined ? undefined : this.#initialise(input.init)
      case 'timer': {
        const timer = this.#timers.get(input.timer)
        if (timer === undefined) return
        this.#timers.delete(input.timer)
        // As in XState: an older timer that fires takes the id with it, so a younger one of the same id cannot be cancelled.
        this.#timerOfKey.delete(timer.key)
        timer.target._send(timer.event)
        return
      }
      case 'effect.started': {
        const running = this.#effects.get(input.from)
        const actor = this.#actors.get(input.from)
        if (running === undefined || actor === undefined) return
        running.began = true
        this.#intent('start', actor, () => this.#start(actor))
        return
      }
      case 'action.error': {
        const actor = this.#actors.get(input.path)
        if (actor === undefined) return
        const error = this.#decoded(input.event)
        actor._snapshot = { ...actor._snapshot, status: 'error', error }
        actor._error(error)
        return
      }
      case 'message':
      case 'effect.done':
      case 'effect.error':
      case 'effect.event': {
        if (input.kind !== 'message') {
          const running = this.#effects.get(input.from)
          if (running === undefined) return // stopped while this was waiting: XState takes nothing from a stopped source
          running.recorded += 1
        }
        const event = this.#decoded(input.event)
        if (!isEvent(event)) return
        if (input.kind === 'message' && input.path === '' && input.from === undefined) this.#addressed = event
        this.#actors.get(input.path)?._send(event)
      }
    }
  }

  #initialise(input: Json): void {
    this.#actors.set('', this.#root)
    this.#root.options = { ...this.#root.options, input: this.#decoded(input) }
    Object.assign(this.#root, { _snapshot: undefined }) // what `self` shows while the first state is made
    this.#root._initState(undefined)
    this.#root.start()
  }

  // ── Seams ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #inspected(event: InspectionEvent): void {
    if (event.type === '@xstate.actor') this.#adopt(event.actorRef)
    else if (event.type === '@xstate.microstep') {
      const first = this.#microsteps++ === 0 && event.event === this.#addressed
      if (first && event._transitions.length === 0) this.#rejected = this.#whyRejected(event.event.type)
      // An eventless transition may still follow, when its guard asks for the time: the step has moved the tree after all.
      else if (event._transitions.length > 0) this.#rejected = undefined
    }
  }

  #whyRejected(type: string): NonNullable<Outcome['rejected']> {
    const accepts = new Set<string>()
    for (const node of this.#root._snapshot._nodes ?? []) {
      for (const descriptor of node.transitions.keys()) {
        if (!descriptor.startsWith('xstate.') && descriptor !== '') accepts.add(descriptor)
      }
    }
    const listed = [...accepts]
    return { reason: listed.some((d) => describes(d, type)) ? 'guard' : 'state', accepts: listed }
  }

  /** Called from the Actor constructor, before the initial snapshot is made. */
  #adopt(actor: InsideActor): void {
    const parent = actor._parent
    if (parent === undefined) return
    const src = typeof actor.src === 'string' ? actor.src : undefined
    const logic = actor.logic
    const kind = kindOf(logic as unknown as AnyActorLogic)
    if (src === undefined)
      return this.#refuse(`a child of '${parent.id}' comes from an inline logic; name it in setup({ actors })`)
    if (kind === 'unknown')
      return this.#refuse(`actor '${src}' has a start() that no XState creator made; use fromPromise or fromCallback`)
    const runs = kind !== 'machine' && logic.start !== undefined
    if (this.#phase !== 'restore') {
      const name = actor.options.id ?? src
      const place = `${this.#pathOf(parent)}/${name}`
      const n = (this.#counts.get(place) ?? 0) + 1
      this.#counts.set(place, n)
      this.#rename(actor, `${place}:${n}`)
      if (actor.options.id === undefined) actor.id = actor._actorScope.id = `${parent.id}/${src}:${n}`
      const path = this.#pathOf(actor)
      this.#actors.set(path, actor)
      const child = { path, id: actor.id, src }
      add(this.#made, 'children', runs && kind === 'promise' ? { ...child, effect: effectOf(logic) } : child)
      if (runs) this.#track(path, actor, logic)
    }
    if (runs) actor.logic = this.#proxy(logic, kind)
    this.#patchScope(actor)
  }

  /** @param logic the effect's own logic, not its proxy */
  #track(path: string, actor: InsideActor, logic: InsideLogic): void {
    const declared = effectOf(logic)
    const name = declared.name ?? String(actor.src)
    const origin = this.#origin ?? { step: '', correlation: '' }
    const effectClass = kindOf(logic as unknown as AnyActorLogic) === 'promise' ? declared.class : 'idempotent'
    this.#effects.set(path, { origin, name, class: effectClass, recorded: 0, began: false })
  }

  /** The same logic, whose start, receivers and disposal are intents instead of side effects of a transition. */
  #proxy(logic: InsideLogic, kind: LogicKind): InsideLogic {
    const known = this.#proxies.get(logic)
    if (known !== undefined) return known
    const proxy: InsideLogic = Object.assign(Object.create(logic), {
      start: (_snapshot: unknown, scope: { self: InsideActor }) => {
        const actor = scope.self
        if (this.#phase === 'restore') return
        const path = this.#pathOf(actor)
        const running = this.#effects.get(path)
        if (running !== undefined) {
          // Kept in the order of their starts, not of their births, so that `resume` starts them in the same order.
          this.#effects.delete(path)
          this.#effects.set(path, running)
        }
        if (running?.class === 'write') {
          this.#intent('start', actor, () => this.#deliver({ kind: 'effect.started', from: this.#pathOf(actor) }))
        } else this.#intent('start', actor, () => this.#start(actor))
      },
      transition: (snapshot: InsideActor['_snapshot'], event: InsideEvent, scope: InsideActor['_actorScope']) => {
        if (event.type === 'xstate.stop') {
          this.#intent('dispose', scope.self, () => this.#dispose(scope.self, snapshot))
          return {
            ...snapshot,
            status: 'stopped',
            ...(kind === 'callback' ? { error: undefined } : { input: undefined }),
          }
        }
        if (kind !== 'callback') return logic.transition(snapshot, event, scope)
        this.#intent(
          'receive',
          scope.self,
          () => {
            if (this.#started.has(this.#pathOf(scope.self))) logic.transition(snapshot, event, scope)
          },
          event.type,
        )
        return snapshot
      },
    })
    this.#proxies.set(logic, proxy)
    this.#proxies.set(proxy, proxy)
    return proxy
  }

  #patchScope(actor: InsideActor): void {
    const scope = actor._actorScope
    const execute = scope.actionExecutor
    scope.emit = (event) => {
      const data = lenient(event, this.#refs)
      const out = () => this.#options.onEmit?.(this.#pathOf(actor), data)
      if (this.#phase === 'step') this.#intent('emit', actor, out, event.type, data)
      else if (this.#phase === 'idle') out()
    }
    scope.logger = (...args) => {
      const out = () => this.#options.onLog?.(this.#pathOf(actor), args)
      if (this.#phase === 'step') this.#intent('log', actor, out)
      else out()
    }
    scope.actionExecutor = (action) => {
      const { exec } = action
      if (exec === undefined || BUILTIN_ACTIONS.has(action.type)) return execute(action)
      execute({
        ...action,
        exec: () =>
          this.#intent(
            'action',
            actor,
            () => exec(action.info, action.params),
            action.type,
            lenient(action.params, this.#refs),
          ),
      })
    }
  }

  #relay(source: InsideActor | undefined, target: InsideActor, event: InsideEvent): void {
    switch (this.#phase) {
      case 'step':
        if (this.#relays++ > MAX_RELAYS) this.#refuse('endless exchange of messages inside one step')
        target._send(event)
        return
      case 'restore':
      case 'closed':
        return
      case 'idle':
        this.#fromWorld(source, target, event)
    }
  }

  /** An effect's result, a callback's event, or a send from a user action: encoded, then handed out as an input. */
  #fromWorld(source: InsideActor | undefined, target: InsideActor, event: InsideEvent): void {
    const path = this.#pathOf(target)
    if (source === undefined)
      return this.#deliver({ kind: 'message', path, from: path, event: encode(event, this.#refs) })
    const from = this.#pathOf(source)
    const left = this.#skip.get(from) ?? 0
    if (left > 0) {
      this.#skip.set(from, left - 1)
      return
    }
    const gathered = this.#evidence.get(from)
    this.#evidence.delete(from)
    const evidence = gathered === undefined ? {} : { evidence: lenient(gathered, this.#refs) }
    const kind = RESULTS[event.type] ?? 'effect.event'
    try {
      this.#deliver({ kind, from, path, event: encode(event, this.#refs), ...evidence })
    } catch (error) {
      if (!(error instanceof NotSerializable) || kind === 'effect.event') throw error
      const failure =
        kind === 'effect.error'
          ? { ...event, data: errorOf(event['data']) }
          : { type: 'xstate.promise.reject', data: error }
      this.#deliver({ kind: 'effect.error', from, path, event: encode(failure), ...evidence })
    }
  }

  #deliver(input: Input): void {
    if (this.#phase === 'closed') return
    this.#options.onInput(input, this.originOf(input) ?? this.#origin)
  }

  /** Where an input's chain of causes comes from; undefined for messages from outside the tree. */
  originOf(input: Input): Origin | undefined {
    switch (input.kind) {
      case 'timer':
        return this.#timers.get(input.timer)?.origin
      case 'effect.started':
      case 'effect.done':
      case 'effect.error':
      case 'effect.event':
        return this.#effects.get(input.from)?.origin
      default:
        return undefined
    }
  }

  /** The recorded name and class of the effect behind an input. */
  effectAt(path: string): NonNullable<Step['effect']> | undefined {
    const running = this.#effects.get(path)
    if (running === undefined) return undefined
    const { name, class: effectClass } = running
    return { id: this.#effectId(path, running), name, class: effectClass, attempt: this.#attempt(path) }
  }

  #attempt = (path: string): number => (this.#resumed.has(path) ? 2 : 1)

  /**
   * XState lets the children of an actor that threw run on, where no parent and no saved state can reach them. A restart
   * could not bring them back, so they end with it. Neither does it stop what an actor made that was stopped before its start.
   */
  #stopBelow(path: string): void {
    const all = [...this.#actors].sort(([a], [b]) => (a < b ? -1 : 1)) // their order is another after a restart
    for (const [below, actor] of all) {
      if (!below.startsWith(`${path}/`)) continue
      actor.system._unregister(actor)
      actor._stop()
    }
  }

  // ── Timers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #schedule(source: InsideActor, target: InsideActor, event: InsideEvent, delay: number, id?: string): void {
    const n = ++this.#timerCount
    const key = `${this.#pathOf(source)}.${id ?? `#${n}`}`
    const due = this.#now + delay
    this.#timers.set(n, { n, key, source, target, event, due, origin: this.#origin ?? { step: '', correlation: '' } })
    this.#timerOfKey.set(key, n)
    add(this.#made, 'timers', { n, path: this.#pathOf(target), event: encode(event, this.#refs), due })
  }

  #cancel(key: string): void {
    const n = this.#timerOfKey.get(key)
    if (n === undefined) return
    this.#timerOfKey.delete(key)
    this.#timers.delete(n)
    if (this.#phase === 'step') add(this.#made, 'cancelled', n)
  }

  /** Timers whose time has come, oldest first. */
  due(now: number): readonly number[] {
    const ready = [...this.#timers.values()].filter((timer) => timer.due <= now)
    return ready.sort((a, b) => a.due - b.due || a.n - b.n).map((timer) => timer.n)
  }

  /** When the next timer is due, those in `except` left out. */
  nextDue(except: ReadonlySet<number>): number | undefined {
    let next: number | undefined
    for (const timer of this.#timers.values()) {
      if (!except.has(timer.n) && (next === undefined || timer.due < next)) next = timer.due
    }
    return next
  }

  get openEffects(): number {
    return this.#effects.size
  }

  get openTimers(): number {
    return this.#timers.size
  }

  // ── HostSeam: called by our own actions and effects ─────────────────────────────────────────────────────────────────

  reply(_self: object, intent: ReplyIntent): void {
    add(this.#made, 'replies', { type: intent.type, value: encode(intent.value, this.#refs), to: intent.to })
  }

  sendTo(_self: object, intent: SendIntent): void {
    add(this.#made, 'sends', { to: intent.to, event: encode(intent.event, this.#refs) })
  }

  effectScope(self: object): EffectScope {
    const path = this.#pathOf(inside(self))
    const running = this.#effects.get(path)
    return {
      effectId: running === undefined ? path : this.#effectId(path, running),
      attempt: this.#attempt(path),
      cause: { correlation: running?.origin.correlation ?? '', causation: running?.origin.step ?? '' },
      runtime: this.#options.runtime,
      evidence: (data) => this.#evidence.set(path, { ...this.#evidence.get(path), ...data }),
    }
  }

  #effectId(path: string, running: RunningEffect): string {
    return `${this.#options.address}${path}@${running.origin.step.slice(running.origin.step.lastIndexOf('#') + 1)}`
  }

  // ── After the commit ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Does what committed steps intended, in order. A user action that throws becomes an input of its own. */
  release(intents: readonly Intent[]): void {
    for (const intent of intents) {
      if (this.#phase === 'closed') return
      this.#origin = intent.origin
      try {
        intent.run()
      } catch (error) {
        this.#options.onInput({ kind: 'action.error', path: intent.path, event: encode(errorOf(error)) }, intent.origin)
      }
    }
    this.#origin = undefined
  }

  #start(actor: InsideActor): void {
    const path = this.#pathOf(actor)
    if (actor._snapshot.status !== 'active' || this.#started.has(path) || !this.#effects.has(path)) return
    const logic = insideLogic(Object.getPrototypeOf(actor.logic))
    this.#started.set(path, logic)
    logic.start?.(actor._snapshot, actor._actorScope)
  }

  #dispose(actor: InsideActor, snapshot: InsideActor['_snapshot']): void {
    const path = this.#pathOf(actor)
    const logic = this.#started.get(path)
    this.#started.delete(path)
    this.#evidence.delete(path)
    logic?.transition(snapshot, { type: 'xstate.stop' }, actor._actorScope)
  }

  /** Starts what was running when the state was saved. */
  resume(): void {
    for (const [path, running] of [...this.#effects]) {
      const actor = this.#actors.get(path)
      if (actor === undefined) continue
      this.#origin = running.origin
      const src = String(actor.src)
      if (this.#options.resume?.[src] === 'skip') this.#skip.set(path, running.recorded)
      if (running.class !== 'write') {
        this.#resumed.add(path)
        this.release([{ kind: 'start', path, origin: running.origin, run: () => this.#start(actor) }])
      } else if (!running.began) this.#deliver({ kind: 'effect.started', from: path })
      else {
        const error = new EffectOutcomeUnknown(`the write '${running.name}' had begun when its node died`, {
          effect: running.name,
          effectId: this.#effectId(path, running),
        })
        const event = encode({ type: 'xstate.promise.reject', data: error })
        this.#deliver({ kind: 'effect.error', from: path, path, event })
      }
    }
    this.#origin = undefined
  }

  /** Ends everything that runs in this process; the tree may not be used afterwards. */
  close(): void {
    const running = [...this.#started]
    this.#phase = 'closed'
    for (const [path, logic] of running) {
      const actor = this.#actors.get(path)
      try {
        if (actor !== undefined) logic.transition(actor._snapshot, { type: 'xstate.stop' }, actor._actorScope)
      } catch (error) {
        this.#options.onLog?.(path, ['clean-up of an effect failed', toWire(error)])
      }
    }
    this.#started.clear()
  }

  // ── State ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** @throws LogicRefused when an actor runs that its parent no longer lists; NotSerializable for a context that is no plain data. */
  state(): HostState {
    const tree = dumpTree(this.#root, this.#refs, (actor) => this.#pathOf(actor))
    const listed = new Set<string>()
    const walk = (node: TreeState) => {
      listed.add(node.path)
      for (const child of Object.values(node.children ?? {})) walk(child)
    }
    walk(tree)
    for (const path of this.#actors.keys()) {
      if (!listed.has(path))
        throw new LogicRefused(`actor '${path}' runs but its parent does not list it; spawn it with an id`)
    }
    return {
      tree,
      counts: Object.fromEntries(this.#counts),
      timerCount: this.#timerCount,
      timers: [...this.#timers.values()].map((timer) => ({
        n: timer.n,
        key: timer.key,
        source: this.#pathOf(timer.source),
        target: this.#pathOf(timer.target),
        event: encode(timer.event, this.#refs),
        due: timer.due,
        origin: timer.origin,
        live: this.#timerOfKey.get(timer.key) === timer.n,
      })),
      effects: Object.fromEntries([...this.#effects].map(([path, running]) => [path, { ...running }])),
    }
  }

  /** Paths and timers of a new tree never repeat those of the one before it: what is late finds nobody. */
  countOn({ counts, timerCount }: HostState): void {
    for (const [place, n] of Object.entries(counts)) this.#counts.set(place, n)
    this.#timerCount = timerCount
  }

  restore(state: HostState): void {
    this.#phase = 'restore'
    try {
      this.countOn(state)
      this.#root._initState(persistedShape(state.tree))
      const pairs = [...pairsOf(this.#root, state.tree)]
      for (const [actor, saved] of pairs) {
        this.#rename(actor, saved.path)
        if (actor !== this.#root) actor.id = actor._actorScope.id = saved.id
        if (saved.running) this.#actors.set(saved.path, actor)
      }
      for (const [actor, saved] of pairs) fillActor(actor, saved, this.#refs)
      this.#root.start()
      for (const [actor, saved] of pairs) if (!saved.running) actor._processingStatus = 2
      for (const timer of state.timers) {
        const event = this.#decoded(timer.event)
        if (!isEvent(event)) continue
        const [source, target] = [this.#actorOrGone(timer.source), this.#actorOrGone(timer.target)]
        this.#timers.set(timer.n, { ...timer, event, source, target })
        if (timer.live) this.#timerOfKey.set(timer.key, timer.n)
      }
      for (const [path, running] of Object.entries(state.effects)) this.#effects.set(path, { ...running })
    } finally {
      this.#origin = undefined
      this.#phase = 'idle'
    }
  }

  stateValue(): Json {
    return lenient(this.#root._snapshot.value, this.#refs)
  }

  /** The root's state for readers: plain data. */
  view(): { status: Outcome['status']; value: Json; context: Json; output: Json; tags: string[] } {
    const { status, value, context, output } = this.#root._snapshot
    const tags: unknown = Reflect.get(this.#root._snapshot, 'tags')
    const plain = (item: unknown) => lenient(item, this.#refs)
    return {
      status,
      value: plain(value),
      context: plain(context),
      output: plain(output),
      tags: tags instanceof Set ? [...tags].map(String) : [],
    }
  }

  // ── Small parts ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #pathOf = (actor: InsideActor): string => actor.sessionId.slice(this.#options.address.length)
  #rename(actor: InsideActor, path: string): void {
    actor.sessionId = actor._actorScope.sessionId = `${this.#options.address}${path}`
  }
  #actorOrGone = (path: string): InsideActor => this.#actors.get(path) ?? this.#gone(path, path)
  #gone = (path: string, id: string): InsideActor => goneActor(`${this.#options.address}${path}`, id)
  #decoded = (event: Json): unknown => (isFlat(event) ? event : decode(event, this.#refs))
  #intent(kind: IntentKind, actor: InsideActor, run: () => void, type?: string, data?: Json): void {
    if (this.#phase !== 'step') return
    const path = this.#pathOf(actor)
    this.#intents.push({ kind, path, origin: this.#origin ?? { step: '', correlation: '' }, run })
    if (kind !== 'start') {
      add(this.#made, 'intents', {
        kind,
        path,
        ...(type !== undefined && { type }),
        ...(data !== undefined && { data }),
      })
    }
  }
  #refuse(why: string): never {
    this.#refusal ??= new LogicRefused(why)
    throw this.#refusal
  }
}

const RESULTS: { readonly [type: string]: 'effect.done' | 'effect.error' } = {
  'xstate.promise.resolve': 'effect.done',
  'xstate.promise.reject': 'effect.error',
  'xstate.observable.error': 'effect.error',
}

function add<K extends keyof Made>(made: Made, what: K, item: NonNullable<Made[K]>[number]): void {
  const list: unknown[] = (made[what] ??= [])
  list.push(item)
}

function describes(descriptor: string, type: string): boolean {
  if (descriptor === type || descriptor === '*') return true
  return descriptor.endsWith('.*') && `${type}.`.startsWith(descriptor.slice(0, -1))
}

/** For data that is recorded to be read only: what cannot be encoded is named instead of refused. */
function lenient(value: unknown, refs: RefCodec): Json {
  try {
    return encode(value, refs)
  } catch (error) {
    return { $opaque: error instanceof Error ? error.message : String(error) }
  }
}

function errorOf(value: unknown): Error {
  return value instanceof Error ? value : new Error(typeof value === 'string' ? value : JSON.stringify(value))
}

function isEvent(value: unknown): value is InsideEvent {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

function isActor(value: object): value is InsideActor {
  return 'sessionId' in value && '_actorScope' in value
}

/** Stands for an actor that a saved reference names and that is gone: sends to it do nothing. */
function goneActor(sessionId: string, id: string): InsideActor {
  const gone = { id, sessionId, _processingStatus: 2, send: () => {}, _send: () => {}, _actorScope: {} }
  return inside({ ...gone, getSnapshot: () => ({ status: 'stopped' }), toJSON: () => ({ xstate$$type: 1, id }) })
}
