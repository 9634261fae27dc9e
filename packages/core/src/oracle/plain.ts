/** Plain XState: `createActor` and nothing else. What it does is right by definition. */
import { type Actor, type AnyActorLogic, type AnyActorRef, createActor, type Snapshot } from 'xstate'
import type { Json } from '../codec.ts'
import { installTape, record } from '../tape.ts'
import { isActor, Names, type Sight, shown, treeOf } from './compare.ts'
import type { Case, Event, Subject } from './script.ts'
import { play } from './script.ts'
import { flush, World } from './world.ts'

class Plain implements Subject {
  readonly names = new Names()
  readonly emitted: Json[] = []
  readonly #script: Case
  readonly #world: World
  #root: Actor<AnyActorLogic>

  constructor(script: Case, world: World) {
    installTape()
    this.#script = script
    this.#world = world
    this.#root = this.#create(script.make(world), script.input, undefined)
  }

  get root(): AnyActorRef {
    return this.#root
  }

  #create(logic: AnyActorLogic, input: unknown, snapshot: Snapshot<unknown> | undefined): Actor<AnyActorLogic> {
    const hear = (actor: unknown) => {
      if (!isActor(actor)) return
      actor.on('*', (event: unknown) => {
        this.emitted.push([this.names.of(actor.id), shown(event, this.names)])
      })
    }
    return this.#within(() => {
      const root = createActor(logic, {
        id: 'root',
        input,
        clock: this.#world.clock,
        logger: () => {},
        inspect: (event) => {
          if (event.type === '@xstate.actor') hear(event.actorRef)
        },
        ...(snapshot !== undefined && { snapshot }),
      })
      root.subscribe({ error: () => {} })
      return root
    })
  }

  /** Chance and time are the world's, as in a hosted step. */
  #within<T>(run: () => T): T {
    let result: { readonly value: T } | undefined
    record(this.#world.now, this.#world.random, () => {
      result = { value: run() }
    })
    if (result === undefined) throw new Error('nothing was run')
    return result.value
  }

  start(): void {
    this.#within(() => this.#root.start())
  }

  send(event: Event, to: readonly string[]): void {
    let target: AnyActorRef | undefined = this.#root
    for (const id of to) target = childOf(target, id)
    this.#within(() => target?.send(event))
  }

  publish(topic: string, value: unknown): void {
    this.#within(() => this.#world.publish(topic, value))
  }

  fire(): boolean {
    return this.#within(() => this.#world.fireNext())
  }

  upgrade(): void {
    const snapshot: Snapshot<unknown> = JSON.parse(JSON.stringify(this.#root.getPersistedSnapshot()))
    this.#world.forget()
    const logic = (this.#script.next ?? this.#script.make)(this.#world)
    this.#root = this.#create(logic, undefined, snapshot)
    this.start()
  }

  settle = flush
}

function childOf(actor: AnyActorRef | undefined, id: string): AnyActorRef | undefined {
  const snapshot: unknown = actor?.getSnapshot()
  if (typeof snapshot !== 'object' || snapshot === null || !('children' in snapshot)) return undefined
  const children = snapshot.children
  return typeof children === 'object' && children !== null ? Reflect.get(children, id) : undefined
}

export async function plainRun(script: Case): Promise<Sight> {
  const world = new World()
  const subject = new Plain(script, world)
  await play(script, world, subject)
  const { emitted, names } = subject
  return { emitted, tree: treeOf(subject.root, names), acts: world.acts }
}
