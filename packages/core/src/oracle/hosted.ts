/**
 * The same script on the logic host, driven as a turn drives it: take what waits, step, commit state and records, release.
 * Between these the process may die and come back from what was committed.
 *
 * 1. A death loses the live tree, every intent that was not released and every input that was not committed. What the outside
 *    still holds comes again: a message whose sender got no answer, a publication, the result of a call.
 * 2. The state after a restart is, byte for byte, the committed one; a folded tail makes what was recorded.
 * 3. A step that is rejected changes nothing.
 */
import type { AnyActorLogic, AnyActorRef } from 'xstate'
import { encode } from '../codec.ts'
import { LogicRefused } from '../errors.ts'
import type { Input, Intent, Made } from '../input.ts'
import { type HostState, LogicHost } from '../logic-host.ts'
import type { Draw } from '../tape.ts'
import { captured } from './capture.ts'
import { Names, type Sight, treeOf } from './compare.ts'
import { Emits } from './emits.ts'
import { type Death, type Fate, fates, type Mode } from './fate.ts'
import { relayEverything, type Sabotage } from './sabotage.ts'
import { type Case, type Event, play, type Subject } from './script.ts'
import { flush, World } from './world.ts'

interface Waiting {
  readonly input: Input
  /** Published by the outside, which will do so again when the process dies. */
  readonly published: boolean
}

interface Recorded {
  readonly input: Input
  readonly at: number
  readonly step: string
  readonly draws: readonly Draw[]
  readonly made: Made
}

/** One append: its steps, and the state after them as stored. */
interface Committed {
  readonly steps: readonly Recorded[]
  readonly state: string
}

export const counted = { steps: 0, rebuilds: 0, folded: 0 }

export class Hosted implements Subject {
  readonly names = new Names()
  readonly emits = new Emits(this.names)
  readonly log: Committed[] = []
  readonly #script: Case
  readonly #world: World
  readonly #sabotage: Sabotage | undefined
  readonly #fate: () => Fate
  #logic: AnyActorLogic
  #root: AnyActorRef | undefined
  #host: LogicHost
  #queue: Waiting[] = []
  #publishing = false
  /** The oldest state that today's logic may fold from: steps of an older logic are never folded by a newer one. */
  #foldable = 0
  #seq = 0
  /** Of the live tree, after its last step. */
  #state = ''

  constructor(script: Case, world: World, mode: Mode, sabotage?: Sabotage) {
    this.#script = script
    this.#world = world
    this.#logic = script.make(world)
    this.#fate = fates(mode)
    this.#sabotage = sabotage
    this.#host = this.#newHost()
  }

  get root(): AnyActorRef {
    if (this.#root === undefined) throw new Error('the tree has no root yet')
    return this.#root
  }

  get state(): HostState {
    return this.#host.state()
  }

  #newHost(born: (root: AnyActorRef) => void = () => {}): LogicHost {
    const { resume } = this.#script
    return new LogicHost({
      address: 'root',
      logic: captured(this.#logic, (root) => {
        this.#root = root
        born(root)
      }),
      random: this.#world.random,
      onInput: (input) => this.#queue.push({ input, published: this.#publishing }),
      ...(resume !== undefined && { resume }),
    })
  }

  // ── The outside ─────────────────────────────────────────────────────────────────────────────────────────────────────

  start(): void {
    this.#insist(() => ({ kind: 'init', event: encode(this.#script.input) }))
  }

  send(event: Event, to: readonly string[]): void {
    this.#insist(() => ({ kind: 'message', path: this.#pathTo(to), event: encode(event) }))
  }

  /** The sender repeats what was not committed. */
  #insist(input: () => Input): void {
    let committed = false
    while (!committed) committed = this.#turn([{ input: input(), published: false }])
  }

  #pathTo(ids: readonly string[]): string {
    let node: HostState['tree'] | undefined = this.#host.state().tree
    for (const id of ids) node = node?.children?.[id]
    return node?.path ?? '/gone'
  }

  publish(topic: string, value: unknown): void {
    this.#publishing = true
    this.#world.publish(topic, value)
    this.#publishing = false
  }

  fire(): boolean {
    const [timer] = this.#host.due(this.#world.now)
    if (timer === undefined) return false
    this.#turn([{ input: { kind: 'timer', timer }, published: false }])
    return true
  }

  upgrade(): void {
    this.#logic = (this.#script.next ?? this.#script.make)(this.#world)
    this.#foldable = this.log.length - 1
    this.#die(0)
  }

  async settle(): Promise<void> {
    for (let rounds = 0; ; rounds++) {
      if (rounds === 10_000) throw new Error('no end of inputs')
      await flush()
      if (this.#queue.length === 0) return
      this.#turn(this.#queue.splice(0, this.#queue[0]?.published ? this.#published() : 1))
    }
  }

  #published(): number {
    const other = this.#queue.findIndex((waiting) => !waiting.published)
    return other === -1 ? this.#queue.length : other
  }

  // ── The turn ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** False when the process died before it had committed. */
  #turn(taken: Waiting[]): boolean {
    const fate = this.#fate()
    if (fate.wholeGroup) taken.push(...this.#queue.splice(0))
    const stepped = taken.map(({ input }) => this.#step(input))
    const intents = stepped.flatMap((step) => step.intents)
    const death = this.#mayDie(fate.death) ? fate.death : undefined
    if (this.#sabotage?.releaseFirst) this.#host.release(intents)
    if (death === 'before commit') {
      this.#queue.unshift(...taken.filter(({ published }) => published))
      this.#die(fate.tail)
      return false
    }
    const steps = stepped.flatMap(({ recorded }) => (recorded === undefined ? [] : [recorded]))
    this.log.push({ steps, state: this.#state })
    for (const { made } of steps) this.emits.note(made)
    if (death === 'before release') this.#die(fate.tail)
    else {
      if (!this.#sabotage?.releaseFirst) this.#host.release(intents)
      if (death === 'after release' && (this.#script.kills !== 'quiet' || this.#queue.length === 0))
        this.#die(fate.tail)
    }
    return true
  }

  #step(input: Input): { readonly recorded: Recorded | undefined; readonly intents: readonly Intent[] } {
    const before = this.#state
    const step = `root#1:${++this.#seq}`
    const { now } = this.#world
    const outcome = this.#host.step(stored(input), now, { step, correlation: step })
    counted.steps += 1
    if (outcome.error instanceof LogicRefused) throw outcome.error
    this.#state = JSON.stringify(this.#host.state())
    if (outcome.rejected !== undefined) {
      if (this.#state !== before) throw new Error(`${step} was rejected and changed the state`)
      return { recorded: undefined, intents: [] }
    }
    const { draws, made, intents } = outcome
    return { recorded: { input, at: now, step, draws, made }, intents }
  }

  /** Nobody can know what became of a write that had begun: that is a case of its own, not of this comparison. */
  #mayDie(death: Death | undefined): boolean {
    const { kills } = this.#script
    if (kills === 'never' || (kills === 'quiet' && death !== 'after release')) return false
    const saved = this.log.at(-1)
    const before: HostState | undefined = saved && JSON.parse(saved.state)
    const open = [before, this.#host.state()].flatMap((state) => Object.values(state?.effects ?? {}))
    return !open.some((effect) => effect.class === 'write' && effect.began)
  }

  // ── Death and return ────────────────────────────────────────────────────────────────────────────────────────────────

  /** @param tail committed groups to fold on top of an older state instead of reading the newest one */
  #die(tail: number): void {
    counted.rebuilds += 1
    this.#world.forget()
    this.#queue = this.#queue.filter(({ published }) => published)
    this.#host.close()
    let relayAgain: (() => void) | undefined
    this.#host = this.#newHost((root) => {
      if (this.#sabotage?.relayWhileRestoring) relayAgain = relayEverything(root)
    })
    const newest = this.log.at(-1)
    if (newest === undefined) {
      this.#seq = 0
      return
    }
    const from = Math.max(this.#foldable, this.log.length - 1 - tail)
    const saved: HostState = JSON.parse(this.log[from]?.state ?? newest.state)
    this.#host.restore(this.#sabotage?.state?.(saved) ?? saved)
    relayAgain?.()
    for (const { steps } of this.log.slice(from + 1)) for (const step of steps) this.#fold(step)
    const restored = JSON.stringify(this.#host.state())
    this.#state = newest.state
    if (restored !== newest.state && this.#sabotage === undefined) {
      throw new Error(`restart: the state is ${restored}, committed was ${newest.state}`)
    }
    if (this.#sabotage?.resume !== false) this.#host.resume()
  }

  #fold({ input, at, step, draws, made }: Recorded): void {
    counted.folded += 1
    const outcome = this.#host.step(
      stored(input),
      at,
      { step, correlation: step },
      this.#sabotage?.draws?.(draws) ?? draws,
    )
    const [want, got] = [JSON.stringify(made), JSON.stringify(outcome.made)]
    if (want !== got) throw new Error(`fold of ${step}: made ${got}, recorded was ${want}`)
  }
}

/** What a step reads is always what its stored bytes say. */
function stored(input: Input): Input {
  return JSON.parse(JSON.stringify(input))
}

export async function hostedRun(script: Case, mode: Mode, sabotage?: Sabotage): Promise<Sight> {
  const world = new World()
  const subject = new Hosted(script, world, mode, sabotage)
  await play(script, world, subject)
  const { emits, names } = subject
  const sight = { emitted: emits.events, tree: treeOf(subject.root, names) }
  const complete = mode.kind !== 'killed before release' && mode.kind !== 'random'
  return complete ? { ...sight, acts: world.acts } : sight
}
