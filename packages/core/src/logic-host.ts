/**
 * Runs one XState actor tree as a fold over recorded inputs.
 *
 * The tree runs on XState's own Actor, Mailbox and System, so its semantics are XState's and not a copy. Only the seams to
 * the world are replaced, once per tree: births (`_sendInspectionEvent`), messages (`_relay`), timers (`scheduler`), user
 * actions, emits and logs (the actor scope), and effect logic (`start`, `transition`).
 *
 * Owns: the live tree, the counters behind child ids; its timers and effects through `tree-timers.ts` and `tree-effects.ts`.
 * Knows nothing of logs, mail or NATS.
 *
 * 1. A step is synchronous and pure: one input, and everything that follows from it in the whole tree. What would touch the
 *    world becomes an intent, to be released by the caller after the commit.
 * 2. Whatever arrives from the world while no step runs is handed out as an input (`onInput`), never applied.
 * 3. `restore(state())` followed by the same inputs gives the same steps, byte for byte.
 * 4. Ids of children are `<id or src>:<n>`, n per parent and name, and part of the state.
 * 5. A restored effect starts in `resume` only; a `write` effect that had begun is reported, never run again.
 */
import { type AnyActorLogic, createActor } from 'xstate'
import type { ListedChild } from './cluster-tree.ts'
import { decode, encode, isFlat, type Json, type RefCodec } from './codec.ts'
import { effectOf } from './effect.ts'
import { LogicRefused } from './errors.ts'
import { errorOf, inputFrom } from './from-world.ts'
import { add, type Input, type Intent, type IntentKind, type Made, type Origin, type Outcome } from './input.ts'
import type { EffectRuntime } from './runtime.ts'
import { dumpTree, fillActor, pairsOf, pathsIn, persistedShape, type TreeState } from './snapshot.ts'
import type { Step } from './step.ts'
import { type Draw, installTape, play, record } from './tape.ts'
import { beginAnew, stopBelow, stopChild } from './tree-edit.ts'
import { type RunningEffect, TreeEffects } from './tree-effects.ts'
import { captureScope } from './tree-scope.ts'
import { dueAfter, type TimerState, TreeTimers } from './tree-timers.ts'
import { childrenOf, lenient, stateValueOf, type TreeView, viewOf } from './tree-view.ts'
import {
  type EffectScope,
  goneActor,
  type HostSeam,
  type InsideActor,
  type InsideEvent,
  type InsideLogic,
  type InspectionEvent,
  inside,
  insideLogic,
  isActor,
  isEvent,
  kindOf,
  putHost,
  type ReplyIntent,
  type SendIntent,
  whyRejected,
} from './xstate-inside.ts'

export interface HostState {
  readonly tree: TreeState
  readonly counts: { readonly [name: string]: number }
  readonly timerCount: number
  readonly timers: readonly TimerState[]
  readonly effects: { readonly [path: string]: RunningEffect }
  readonly inputs?: { readonly [path: string]: Json }
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
  /** Sources whose input must outlive their birth. */
  readonly keepsInput?: (src: string) => boolean
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
  readonly #timers = new TreeTimers()
  readonly #effects: TreeEffects
  /** Inputs of children that supervision may make anew. */
  readonly #inputs = new Map<string, Json>()
  /** Who was told of a child's failure in this step, and where that began. */
  readonly #failures = new Map<InsideActor, { readonly error: unknown; readonly from: string }>()
  /** The tree that has taken over what this one had started. */
  #heir: LogicHost | undefined
  readonly #refs: RefCodec
  #now = 0
  #phase: 'idle' | 'step' | 'restore' | 'closed' = 'idle'
  #origin: Origin | undefined
  #made: Made = {}
  #intents: Intent[] = []
  #relays = 0
  #microsteps = 0
  #addressed: InsideEvent | undefined
  #rejected: Outcome['rejected']
  #refusal: LogicRefused | undefined
  /** The state after the last step and the root's state value in it, once somebody has asked for them. */
  #saved: HostState | undefined
  #value: Json | undefined

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
    this.#effects = new TreeEffects({
      address: options.address,
      runtime: options.runtime,
      restoring: () => this.#phase === 'restore',
      pathOf: (actor) => this.#pathOf(actor),
      actorAt: (path) => this.#actors.get(path),
      intend: (kind, actor, run, type) => this.#intent(kind, actor, run, type),
      deliver: (input) => this.#deliver(input),
    })
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
        this.#effects.forget(path)
        this.#inputs.delete(path)
        if (this.#phase === 'step') {
          add(this.#made, 'stopped', path)
          if (actor._snapshot.status === 'error' || actor._processingStatus === 0) stopBelow(path, this.#actors)
        }
      }
      unregister(actor)
    }
    system.scheduler = {
      schedule: (source, target, event, delay, id) => this.#schedule(source, target, event, delay, id),
      cancel: (source, id) => this.#cancel(`${this.#pathOf(source)}.${id}`),
      cancelAll: (source) => {
        for (const key of this.#timers.keysOf(source)) this.#cancel(key)
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
    const outcome = { status, draws: drawn, made: this.#made, intents: this.#intents }
    if (failed !== undefined) {
      const told = this.#failures.get(this.#root)
      const from = told !== undefined && told.error === failed ? { failed: told.from } : {}
      return { ...outcome, status: 'error', error: failed, ...from }
    }
    return this.#rejected === undefined ? outcome : { ...outcome, rejected: this.#rejected }
  }

  #begin(now: number, origin: Origin): void {
    this.#made = {}
    this.#intents = []
    this.#relays = this.#microsteps = 0
    this.#failures.clear()
    this.#saved = this.#value = undefined
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
      case 'directive': {
        this.#effects.makesAnew(this.#origin?.step ?? '')
        for (const path of input.stop ?? []) {
          const actor = this.#actors.get(path)
          if (actor !== undefined) stopChild(actor)
        }
        for (const path of input.reset ?? []) this.#makeAnew(path)
        return input.init === undefined ? undefined : this.#initialise(input.init)
      }
      case 'timer': {
        const timer = this.#timers.take(input.timer)
        timer?.target._send(timer.event)
        return
      }
      case 'effect.started':
        return this.#effects.begin(input.from)
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
        if (input.kind !== 'message' && !this.#effects.count(input.from)) return
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
      if (first && event._transitions.length === 0) this.#rejected = whyRejected(this.#root._snapshot, event.event.type)
      // An eventless transition may still follow, when its guard asks for the time: the step has moved the tree after all.
      else if (event._transitions.length > 0) this.#rejected = undefined
    }
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
      if (runs) this.#effects.track(path, src, logic, kind, this.#origin ?? NOWHERE)
      else if (this.#options.keepsInput?.(src)) this.#inputs.set(path, encode(actor.options.input, this.#refs))
    }
    if (runs) actor.logic = this.#effects.proxy(logic, kind)
    this.#patchScope(actor)
  }

  #patchScope(actor: InsideActor): void {
    captureScope(actor, {
      emit: (event) => {
        const data = lenient(event, this.#refs)
        const out = () => this.#options.onEmit?.(this.#pathOf(actor), data)
        if (this.#phase === 'step') this.#intent('emit', actor, out, event.type, data)
        else if (this.#isOpen) out()
      },
      log: (args) => {
        const out = () => this.#options.onLog?.(this.#pathOf(actor), args)
        if (this.#phase === 'step') this.#intent('log', actor, out)
        else out()
      },
      act: ({ type, params }, run) => this.#intent('action', actor, run, type, lenient(params, this.#refs)),
    })
  }

  #relay(source: InsideActor | undefined, target: InsideActor, event: InsideEvent): void {
    switch (this.#phase) {
      case 'step':
        if (this.#relays++ > MAX_RELAYS) this.#refuse('endless exchange of messages inside one step')
        if (source !== undefined && event.type.startsWith('xstate.error.actor.'))
          this.#noteFailure(source, target, event)
        target._send(event)
        return
      case 'restore':
        return
      case 'closed':
        return this.#heir === undefined ? undefined : this.#heir.#relay(source, target, event)
      case 'idle':
        this.#fromWorld(source, target, event)
    }
  }

  /** A parent that does not handle a failure fails with the same error. */
  #noteFailure(source: InsideActor, target: InsideActor, { error }: InsideEvent): void {
    const told = this.#failures.get(source)
    const passedOn = told !== undefined && told.error === error
    this.#failures.set(target, passedOn ? told : { error, from: this.#pathOf(source) })
  }

  /** An effect's result, a callback's event, or a send from a user action: encoded, then handed out as an input. */
  #fromWorld(source: InsideActor | undefined, target: InsideActor, event: InsideEvent): void {
    const path = this.#pathOf(target)
    if (source === undefined)
      return this.#deliver({ kind: 'message', path, from: path, event: encode(event, this.#refs) })
    const from = this.#pathOf(source)
    if (this.#effects.skips(from)) return
    const gathered = this.#effects.takeEvidence(from)
    const evidence = gathered && lenient(gathered, this.#refs)
    this.#deliver(inputFrom(from, path, event, evidence, (told) => encode(told, this.#refs)))
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
        return this.#effects.originOf(input.from)
      default:
        return undefined
    }
  }

  /** The recorded name and class of the effect behind an input. */
  effectAt(path: string): NonNullable<Step['effect']> | undefined {
    return this.#effects.at(path)
  }

  // ── Timers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #schedule(source: InsideActor, target: InsideActor, event: InsideEvent, delay: number, id?: string): void {
    const due = dueAfter(delay, this.#now, (why) => this.#refuse(why))
    const path = this.#pathOf(target)
    const { n } = this.#timers.set(
      { source, target, event, due, origin: this.#origin ?? NOWHERE },
      this.#pathOf(source),
      id,
    )
    add(this.#made, 'timers', { n, path, event: encode(event, this.#refs), due })
  }

  #cancel(key: string): void {
    const n = this.#timers.cancel(key)
    if (n !== undefined && this.#phase === 'step') add(this.#made, 'cancelled', n)
  }

  /** Timers whose time has come, oldest first. */
  due(now: number): readonly number[] {
    return this.#timers.due(now)
  }
  nextDue(except: ReadonlySet<number>): number | undefined {
    return this.#timers.nextDue(except)
  }

  get openEffects(): number {
    return this.#effects.open
  }
  get writing(): boolean {
    return this.#effects.writing
  }
  get openTimers(): number {
    return this.#timers.open
  }

  // ── HostSeam: called by our own actions and effects ─────────────────────────────────────────────────────────────────

  reply(_self: object, intent: ReplyIntent): void {
    add(this.#made, 'replies', { type: intent.type, value: encode(intent.value, this.#refs), to: intent.to })
  }

  sendTo(_self: object, intent: SendIntent): void {
    add(this.#made, 'sends', { to: intent.to, event: encode(intent.event, this.#refs) })
  }

  effectScope(self: object): EffectScope {
    return this.#effects.scopeOf(this.#pathOf(inside(self)))
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

  /** Starts what was running when the state was saved, or what of it lies at or below these paths. */
  resume(at: readonly string[] = ['']): void {
    for (const { path, origin, run } of this.#effects.resumed(this.#options.resume ?? {}, at)) {
      this.release([{ kind: 'start', path, origin, run }])
    }
  }

  /**
   * Takes over what the failed tree had started, but for what lies at or below these paths: it goes on undisturbed, and its
   * results are inputs of this tree.
   */
  adopt(failed: LogicHost, but: readonly string[]): void {
    this.#effects.adopt(failed.#effects, but)
    failed.#heir = this
  }

  /** Starts for the first time what committed steps have made and no process has started, but for what lies at these paths. */
  startRest(but: readonly string[]): void {
    for (const { path, origin, run } of this.#effects.unstarted(but))
      this.release([{ kind: 'start', path, origin, run }])
  }

  get #isOpen(): boolean {
    if (this.#heir !== undefined) return this.#heir.#isOpen
    return this.#phase === 'idle'
  }

  /** The same actor with a first state, so that whoever holds a reference to it still does. */
  #makeAnew(path: string): void {
    const actor = this.#actors.get(path)
    if (actor === undefined) return
    const input = this.#inputs.get(path) ?? null
    actor._stop()
    this.#actors.set(path, actor)
    this.#inputs.set(path, input)
    add(this.#made, 'children', { path, id: actor.id, src: String(actor.src) })
    beginAnew(actor, this.#decoded(input))
  }

  /** Ends everything that runs in this process; the tree may not be used afterwards. */
  close(): void {
    this.#phase = 'closed'
    this.#effects.close((path, error) => this.#options.onLog?.(path, ['clean-up of an effect failed', error]))
  }

  // ── State ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Whether the state after a step can be recorded; for a lone root with a flat context without making it.
   * @throws as `state`
   */
  check(): void {
    const { context, output, error, children } = this.#root._snapshot
    const alone = this.#actors.size <= 1 && Object.keys(children ?? {}).length === 0
    if (!alone || output !== undefined || error !== undefined || !isFlat(context)) this.state()
  }

  /**
   * The state after the last step.
   * @throws LogicRefused when an actor runs that its parent no longer lists; NotSerializable for a context that is no plain data.
   */
  state(): HostState {
    this.#saved ??= this.#dump()
    return this.#saved
  }

  #dump(): HostState {
    const tree = dumpTree(this.#root, this.#refs, (actor) => this.#pathOf(actor))
    const listed = pathsIn(tree)
    for (const path of this.#actors.keys()) {
      if (!listed.has(path))
        throw new LogicRefused(`actor '${path}' runs but its parent does not list it; spawn it with an id`)
    }
    return {
      tree,
      counts: Object.fromEntries(this.#counts),
      timerCount: this.#timers.count,
      timers: this.#timers.state(this.#pathOf, (event) => encode(event, this.#refs)),
      effects: this.#effects.state(),
      ...(this.#inputs.size > 0 && { inputs: Object.fromEntries(this.#inputs) }),
    }
  }

  /** Paths and timers of a new tree never repeat those of the one before it: what is late finds nobody. */
  countOn({ counts, timerCount }: HostState): void {
    for (const [place, n] of Object.entries(counts)) this.#counts.set(place, n)
    this.#timers.countOn(timerCount)
  }

  restore(state: HostState): void {
    this.#phase = 'restore'
    this.#saved = this.#value = undefined
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
        this.#timers.restore({ ...timer, event, source, target }, timer.live)
      }
      this.#effects.restore(state.effects)
      for (const [path, input] of Object.entries(state.inputs ?? {})) this.#inputs.set(path, input)
    } finally {
      this.#origin = undefined
      this.#phase = 'idle'
    }
  }

  stateValue(): Json {
    this.#value ??= lenient(this.#root._snapshot.value, this.#refs)
    return this.#value
  }

  view(): TreeView {
    return viewOf(this.#root, this.#refs)
  }
  /** State value of the root for operators: null for logic without states. */
  get rootValue(): Json {
    return stateValueOf(this.#root, this.#refs) ?? null
  }

  children(): readonly ListedChild[] {
    return childrenOf(this.#actors, this.#refs, (path) => this.#effects.at(path)?.name)
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
    this.#intents.push({ kind, path, origin: this.#origin ?? NOWHERE, run })
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

/** Before the first step. */
const NOWHERE: Origin = { step: '', correlation: '' }
