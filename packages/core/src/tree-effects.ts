/**
 * The effects of one actor tree: promises, callbacks and observables that run outside it.
 *
 * Owns which of them are open (state) and which run in this process. Their logic is XState's own; its start, receivers and
 * disposal are made intents, so that nothing runs inside a step.
 *
 * 1. An effect begins after the commit of the step that made it; a `write` only after its own `effect.started` is committed too.
 * 2. Open effects are kept in the order of their starts, not of their births: `resume` starts them in the same order.
 * 3. A restored `write` that had begun is reported as `EffectOutcomeUnknown` and never run again.
 * 4. What a failed tree had started and a failure does not touch goes on: the tree after it takes it over (`adopt`).
 */
import { encode, type Json } from './codec.ts'
import { type EffectClass, effectOf } from './effect.ts'
import { EffectOutcomeUnknown, MessageTooLarge, toWire } from './errors.ts'
import type { Input, IntentKind, Origin } from './input.ts'
import type { EffectRuntime } from './runtime.ts'
import type { Step } from './step.ts'
import { MAX_BODY_BYTES } from './wire.ts'
import {
  type EffectScope,
  type InsideActor,
  type InsideEvent,
  type InsideLogic,
  insideLogic,
  type LogicKind,
} from './xstate-inside.ts'

export interface RunningEffect {
  readonly origin: Origin
  readonly name: string
  readonly class: EffectClass
  /** Inputs from it that are recorded; a re-run source under `skip` drops as many. */
  recorded: number
  /** Its `effect.started` is recorded (write effects only). */
  began: boolean
}

interface ToStart {
  readonly path: string
  readonly origin: Origin
  readonly run: () => void
}

/** At one of the paths or below it; '' is the whole tree. */
export function isWithin(path: string, paths: readonly string[]): boolean {
  return paths.some((at) => path === at || path.startsWith(`${at}/`))
}

/** What the effects need of their tree. */
export interface EffectTree {
  readonly address: string
  readonly runtime: EffectRuntime | undefined
  readonly restoring: () => boolean
  readonly pathOf: (actor: InsideActor) => string
  readonly actorAt: (path: string) => InsideActor | undefined
  readonly intend: (kind: IntentKind, actor: InsideActor, run: () => void, type?: string) => void
  readonly deliver: (input: Input) => void
}

/** An effect at work in this process, with the actor that started it: after a failure that of an earlier tree. */
interface Started {
  readonly logic: InsideLogic
  readonly scope: InsideActor['_actorScope']
}

export class TreeEffects {
  readonly #tree: EffectTree
  readonly #open = new Map<string, RunningEffect>()
  readonly #started = new Map<string, Started>()
  readonly #evidence = new Map<string, { readonly [name: string]: unknown }>()
  readonly #skip = new Map<string, number>()
  /** Those that another process, or this one before a failure, may have begun. */
  readonly #resumed = new Set<string>()
  readonly #proxies = new WeakMap<object, InsideLogic>()
  /** The step whose effects are new although they rest before they start. */
  #madeAnewIn: string | undefined
  #heir: TreeEffects | undefined

  constructor(tree: EffectTree) {
    this.#tree = tree
  }

  get open(): number {
    return this.#open.size
  }

  /** A `write` has begun and no step has its result. */
  get writing(): boolean {
    for (const { class: effectClass, began } of this.#open.values()) if (effectClass === 'write' && began) return true
    return false
  }

  /** An effect is born. @param logic its own logic, not its proxy */
  track(path: string, src: string, logic: InsideLogic, kind: LogicKind, origin: Origin): void {
    const declared = effectOf(logic)
    const effectClass = kind === 'promise' ? declared.class : 'idempotent'
    this.#open.set(path, { origin, name: declared.name ?? src, class: effectClass, recorded: 0, began: false })
  }

  forget(path: string): void {
    this.#open.delete(path)
  }

  originOf(path: string): Origin | undefined {
    return this.#open.get(path)?.origin
  }

  /** A recorded input from it. False when it is stopped: XState takes nothing from a stopped source. */
  count(path: string): boolean {
    const running = this.#open.get(path)
    if (running === undefined) return false
    running.recorded += 1
    return true
  }

  /** Its `effect.started` is committed: it may begin. */
  begin(path: string): void {
    const running = this.#open.get(path)
    const actor = this.#tree.actorAt(path)
    if (running === undefined || actor === undefined) return
    running.began = true
    this.#tree.intend('start', actor, () => this.#start(actor))
  }

  /** The recorded facts of the effect behind an input. */
  at(path: string): NonNullable<Step['effect']> | undefined {
    const running = this.#open.get(path)
    if (running === undefined) return undefined
    const { name, class: effectClass } = running
    return { id: this.#idOf(path, running), name, class: effectClass, attempt: this.#attempt(path) }
  }

  scopeOf(path: string): EffectScope {
    const running = this.#open.get(path)
    return {
      effectId: running === undefined ? path : this.#idOf(path, running),
      attempt: this.#attempt(path),
      cause: { correlation: running?.origin.correlation ?? '', causation: running?.origin.step ?? '' },
      runtime: this.#tree.runtime,
      evidence: (data) => this.#gather(path, data),
    }
  }

  #gather(path: string, data: { readonly [name: string]: unknown }): void {
    if (this.#heir !== undefined) this.#heir.#gather(path, data)
    else this.#evidence.set(path, { ...this.#evidence.get(path), ...data })
  }

  #attempt = (path: string): number => (this.#resumed.has(path) ? 2 : 1)

  #idOf(path: string, { origin }: RunningEffect): string {
    return `${this.#tree.address}${path}@${origin.step.slice(origin.step.lastIndexOf('#') + 1)}`
  }

  /** What the effect has said about itself since its last input. */
  takeEvidence(path: string): { readonly [name: string]: unknown } | undefined {
    const gathered = this.#evidence.get(path)
    this.#evidence.delete(path)
    return gathered
  }

  /** True for a value of a re-run source that is recorded already. */
  skips(path: string): boolean {
    const left = this.#skip.get(path) ?? 0
    if (left > 0) this.#skip.set(path, left - 1)
    return left > 0
  }

  // ── Running ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The same logic, whose start, receivers and disposal are intents instead of side effects of a transition. */
  proxy(logic: InsideLogic, kind: LogicKind): InsideLogic {
    const known = this.#proxies.get(logic)
    if (known !== undefined) return known
    const { intend, pathOf } = this.#tree
    const proxy: InsideLogic = Object.assign(Object.create(logic), {
      start: (_snapshot: unknown, { self }: { self: InsideActor }) => this.#intendStart(self),
      transition: (snapshot: InsideActor['_snapshot'], event: InsideEvent, scope: InsideActor['_actorScope']) => {
        const { self } = scope
        if (event.type === 'xstate.stop') {
          intend('dispose', self, () => this.#dispose(self, snapshot))
          const cleared = kind === 'callback' ? { error: undefined } : { input: undefined }
          return { ...snapshot, status: 'stopped', ...cleared }
        }
        if (kind !== 'callback') return logic.transition(snapshot, event, scope)
        const receive = () => {
          const started = this.#runningAt(pathOf(self))
          started?.logic.transition(snapshot, event, started.scope)
        }
        intend('receive', self, receive, event.type)
        return snapshot
      },
    })
    this.#proxies.set(logic, proxy)
    this.#proxies.set(proxy, proxy)
    return proxy
  }

  #intendStart(actor: InsideActor): void {
    if (this.#tree.restoring()) return
    const path = this.#tree.pathOf(actor)
    const running = this.#open.get(path)
    if (running !== undefined) {
      this.#open.delete(path)
      this.#open.set(path, running)
    }
    const asks = () => this.#tree.deliver({ kind: 'effect.started', from: path })
    this.#tree.intend('start', actor, running?.class === 'write' ? asks : () => this.#start(actor))
  }

  #start(actor: InsideActor): void {
    const path = this.#tree.pathOf(actor)
    if (actor._snapshot.status !== 'active' || this.#started.has(path) || !this.#open.has(path)) return
    const logic = insideLogic(Object.getPrototypeOf(actor.logic))
    this.#started.set(path, { logic, scope: actor._actorScope })
    logic.start?.(actor._snapshot, actor._actorScope)
  }

  #dispose(actor: InsideActor, snapshot: InsideActor['_snapshot']): void {
    const path = this.#tree.pathOf(actor)
    const started = this.#started.get(path)
    this.#started.delete(path)
    this.#evidence.delete(path)
    started?.logic.transition(snapshot, { type: 'xstate.stop' }, started.scope)
  }

  #runningAt(path: string): Started | undefined {
    const heir = this.#heir
    return this.#started.get(path) ?? (heir === undefined ? undefined : heir.#runningAt(path))
  }

  /** What was open when the state was saved, at or below these paths, as things to do now, in the order of their starts. */
  *resumed(policy: { readonly [src: string]: 'restart' | 'skip' }, at: readonly string[]): Iterable<ToStart> {
    for (const [path, running] of [...this.#open]) {
      const actor = this.#tree.actorAt(path)
      if (actor === undefined || this.#started.has(path) || !isWithin(path, at)) continue
      if (policy[String(actor.src)] === 'skip') this.#skip.set(path, running.recorded)
      const { origin } = running
      if (running.class !== 'write') {
        if (origin.step !== this.#madeAnewIn) this.#resumed.add(path)
        yield { path, origin, run: () => this.#start(actor) }
      } else if (!running.began) {
        yield { path, origin, run: () => this.#tree.deliver({ kind: 'effect.started', from: path }) }
      } else yield { path, origin, run: () => this.#tree.deliver(this.#outcomeUnknown(path, running)) }
    }
  }

  #outcomeUnknown(path: string, running: RunningEffect): Input {
    const { name } = running
    const details = { effect: name, effectId: this.#idOf(path, running) }
    const error = new EffectOutcomeUnknown(
      `the write '${name}' had begun when its actor left that node, by death, by a lost lease or by a move that waited for it in vain`,
      details,
    )
    return { kind: 'effect.error', from: path, path, event: encode({ type: 'xstate.promise.reject', data: error }) }
  }

  // ── After the failure of a part ─────────────────────────────────────────────────────────────────────────────────────

  /** What this step makes is new, whenever it starts. */
  makesAnew(step: string): void {
    this.#madeAnewIn = step
  }

  /** Takes over what the failed tree had started, but for what lies at or below these paths. */
  adopt(failed: TreeEffects, but: readonly string[]): void {
    for (const [path, started] of [...failed.#started]) {
      const actor = this.#tree.actorAt(path)
      if (actor === undefined || !this.#open.has(path) || isWithin(path, but)) continue
      failed.#started.delete(path)
      started.scope.self._snapshot = actor._snapshot // it was told of an end that is taken back
      this.#started.set(path, started)
      const evidence = failed.#evidence.get(path)
      if (evidence !== undefined) this.#evidence.set(path, evidence)
      const skip = failed.#skip.get(path)
      if (skip !== undefined) this.#skip.set(path, skip)
      if (failed.#resumed.has(path)) this.#resumed.add(path)
    }
    failed.#heir = this
  }

  /** What committed steps have made and no process has started, but for what lies at or below these paths. */
  *unstarted(but: readonly string[]): Iterable<ToStart> {
    for (const [path, { origin, class: effectClass, began }] of [...this.#open]) {
      const actor = this.#tree.actorAt(path)
      if (actor === undefined || this.#started.has(path) || began || isWithin(path, but)) continue
      const asks = () => this.#tree.deliver({ kind: 'effect.started', from: path })
      yield { path, origin, run: effectClass === 'write' ? asks : () => this.#start(actor) }
    }
  }

  /** Ends everything that runs in this process. */
  close(onFailure: (path: string, error: Json) => void): void {
    for (const [path, { logic, scope }] of this.#started) {
      try {
        logic.transition(scope.self._snapshot, { type: 'xstate.stop' }, scope)
      } catch (error) {
        onFailure(path, encode({ ...toWire(error) }))
      }
    }
    this.#started.clear()
  }

  // ── State ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  state(): { readonly [path: string]: RunningEffect } {
    return Object.fromEntries([...this.#open].map(([path, running]) => [path, { ...running }]))
  }

  restore(state: { readonly [path: string]: RunningEffect }): void {
    for (const [path, running] of Object.entries(state)) this.#open.set(path, { ...running })
  }
}

/**
 * A result that no record can hold would be lost with its actor, and come again with it: it is a failure of the effect.
 * @throws MessageTooLarge above 768 KiB
 */
export function fitting(event: Json): Json {
  const sizeBytes = Buffer.byteLength(JSON.stringify(event))
  if (sizeBytes <= MAX_BODY_BYTES) return event
  const what = `${sizeBytes} bytes from an effect; ${MAX_BODY_BYTES} are allowed: keep them elsewhere and return where`
  throw new MessageTooLarge(what, { sizeBytes })
}
