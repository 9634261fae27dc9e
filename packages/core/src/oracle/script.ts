/** A case of the corpus: a machine and what happens to it. `play` runs the script against any subject. */
import type { AnyActorLogic } from 'xstate'
import { flush, type World } from './world.ts'

export interface Event {
  readonly type: string
  readonly [name: string]: unknown
}

/** A bare string is an event without data, a number lets as many milliseconds pass. */
export type Operation =
  | string
  | number
  | Event
  | { readonly to: readonly string[]; readonly event: Event }
  | { readonly publish: string; readonly value: unknown }
  /** The process ends and the next one runs the case's `next` logic. */
  | { readonly upgrade: true }

export interface Case {
  readonly name: string
  readonly make: (world: World) => AnyActorLogic
  readonly operations: readonly Operation[]
  readonly input?: unknown
  readonly resume?: { readonly [src: string]: 'restart' | 'skip' }
  readonly next?: (world: World) => AnyActorLogic
  /**
   * Where the process may die. `quiet`: only when all is released and nothing waits, for machines whose state hangs on what is
   * released at most once (custom actions that send, events to a callback). `never`: for clean-up inside the process.
   */
  readonly kills?: 'anywhere' | 'quiet' | 'never'
}

export interface Subject {
  start(): void
  send(event: Event, to: readonly string[]): void
  publish(topic: string, value: unknown): void
  /** Fires one timer that is due; false when there is none. */
  fire(): boolean
  upgrade(): void
  /** Applies what has arrived, until nothing more comes. */
  settle(): Promise<void>
}

export async function play(script: Case, world: World, subject: Subject): Promise<void> {
  subject.start()
  await subject.settle()
  for (const operation of script.operations) {
    world.operation += 1
    if (typeof operation === 'number') await pass(operation, world, subject)
    else if (typeof operation === 'string') subject.send({ type: operation }, [])
    else if ('publish' in operation && typeof operation.publish === 'string') {
      subject.publish(operation.publish, operation.value)
    } else if ('upgrade' in operation) subject.upgrade()
    else if ('to' in operation && isPath(operation.to)) {
      if (isEvent(operation.event)) subject.send(operation.event, operation.to)
    } else if (isEvent(operation)) subject.send(operation, [])
    await subject.settle()
  }
}

async function pass(ms: number, world: World, subject: Subject): Promise<void> {
  for (let tick = 0; tick < ms; tick++) {
    world.advance()
    await subject.settle()
    while (subject.fire()) await subject.settle()
  }
  await flush()
}

function isPath(value: unknown): value is readonly string[] {
  return Array.isArray(value)
}

export function isEvent(value: unknown): value is Event {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}
