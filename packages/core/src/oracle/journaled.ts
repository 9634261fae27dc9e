/**
 * The same script on a resident actor over a real journal: the turn, the step maker and the recovery as in production. The process
 * dies where fate says so and the next one recovers from what the log holds.
 *
 * 1. A sender repeats its command under the same id until it is answered; a publisher repeats what no step has taken.
 * 2. No message ends its process three times in a row: it would be poison, which is no business of XState's.
 * 3. What is compared is read by a fresh process from the log: the tree, and the emitted events of all steps.
 * 4. With `padded` the state is larger than an append carries (4 KB), so that a recovery folds the tail since the last activation.
 */
import type { AnyActorLogic, AnyActorRef } from 'xstate'
import { type Address, addressOf } from '../address.ts'
import { encode } from '../codec.ts'
import type { Envelope, WireAnswer } from '../envelope.ts'
import { guarded, type Schemas } from '../schema.ts'
import type { Step } from '../step.ts'
import { captured } from './capture.ts'
import { Names, treeOf } from './compare.ts'
import { type Death, fates, type Mode } from './fate.ts'
import { type Journey, readLog } from './journey.ts'
import { Life } from './life.ts'
import type { Place } from './place.ts'
import { type Case, type Event, isEvent, play, type Subject } from './script.ts'
import { flush, World } from './world.ts'

export interface Journaling {
  readonly mode: Mode
  readonly single?: boolean
  readonly padded?: boolean
}

/** So many long keys make a state that no append carries. */
const PADS = 10
const PAD = 'p'.repeat(480)
const DEATHS_IN_A_ROW = 2

class Journaled implements Subject {
  readonly #names: Names
  readonly #script: Case
  readonly #world: World
  readonly #place: Place
  readonly #o: Journaling
  readonly #address: Address
  readonly #fate: ReturnType<typeof fates>
  /** Writes that have begun and have no result. */
  readonly #writes = new Set<string>()
  #logic: AnyActorLogic
  #root: AnyActorRef | undefined
  #life: Life | undefined
  #epoch = 0
  #stored = 0
  #steps = 0
  #lost = 0
  #commands = 0
  #deathsInARow = 0
  /** What waits for `settle`, and for what it waits in its turn. */
  #next: (() => Promise<void>) | undefined

  constructor(script: Case, world: World, place: Place, options: Journaling) {
    this.#script = script
    this.#world = world
    this.#place = place
    this.#o = options
    this.#logic = script.make(world)
    this.#fate = fates(options.mode)
    this.#address = addressOf('oracle', place.entropy.hex(64))
    this.#names = new Names([this.#address, 'root'])
  }

  get deaths(): number {
    return this.#epoch - 1
  }

  // ── The outside ─────────────────────────────────────────────────────────────────────────────────────────────────────

  start(): void {
    this.#next = async () => {
      await this.#live()
      if (this.#o.padded === true && this.#life?.running === true) await this.#pad()
    }
  }

  send(event: Event): void {
    const command = { client: 'sender', n: ++this.#commands, settled: this.#commands - 1 }
    this.#next = () => this.#insist({ ...this.#header(), kind: 'event', event: encode(event), command })
  }

  publish(topic: string, value: unknown): void {
    this.#next = async () => {
      for (let died = true; died; ) {
        const [stored, lost] = [this.#stored, this.#lost]
        this.#world.publish(topic, value)
        await this.#quiet()
        died = this.#stored === stored && this.#lost > lost
      }
    }
  }

  fire(): boolean {
    return this.#life?.fire() ?? false
  }

  upgrade(): void {
    this.#next = async () => {
      await this.#life?.drain()
      this.#logic = (this.#script.next ?? this.#script.make)(this.#world)
      await this.#live()
    }
  }

  async settle(): Promise<void> {
    const next = this.#next
    this.#next = undefined
    await next?.()
    await this.#quiet()
  }

  /** An order that changes nothing, under a key that is kept. */
  async #pad(): Promise<void> {
    for (let n = 1; n <= PADS; n++) {
      const command = { client: 'pad', n, settled: n - 1 }
      await this.#insist({ ...this.#header(), kind: 'operator', order: { kind: 'start' }, command, key: `${n}${PAD}` })
    }
  }

  #header(): Pick<Envelope, 'v' | 'to' | 'cause'> {
    return { v: 1, to: this.#address, cause: { correlation: 'oracle', causation: 'oracle' } }
  }

  async #insist(envelope: Envelope): Promise<void> {
    let answer: WireAnswer | undefined
    while (answer === undefined) {
      const lost = this.#lost
      this.#life?.receive(envelope, (told) => {
        answer = told
      })
      await this.#quiet()
      if (answer === undefined && this.#lost === lost) throw new Error(`no answer to ${JSON.stringify(envelope)}`)
    }
  }

  // ── Life and death ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Until nothing happens by itself any more, over however many lives that takes. */
  async #quiet(): Promise<void> {
    for (;;) {
      await flush()
      const { journal } = this.#living
      if (journal.dead || (journal.doomed && this.#script.kills !== 'quiet')) await this.#live()
      else if (await journal.answered()) continue
      else if (journal.doomed) await this.#live()
      else return
    }
  }

  get #living(): Life {
    if (this.#life === undefined) throw new Error('the actor has not begun to live')
    return this.#life
  }

  async #live(): Promise<void> {
    if (this.#life !== undefined) this.#lost += 1
    this.#life?.end()
    this.#root = undefined
    this.#life = new Life({
      place: this.#place,
      world: this.#world,
      address: this.#address,
      def: this.#def(),
      epoch: ++this.#epoch,
      single: this.#o.single ?? false,
      patient: this.#script.kills === 'quiet',
      death: (steps) => this.#death(steps),
      onStored: (steps) => this.#note(steps),
    })
    await this.#quiet()
  }

  #def() {
    const { input, resume } = this.#script
    const logic = captured(this.#logic, (root) => {
      this.#root = root
    })
    const { getInitialSnapshot } = logic
    // The corpus gives its machines an input of their own.
    logic.getInitialSnapshot = (scope) => getInitialSnapshot(scope, input)
    const protocol = { type: 'oracle', events: eventsOf(this.#script), replies: {}, emits: {} }
    // Not to be begun again by supervision: an error of the machine ends it, as in XState.
    return {
      protocol,
      logic,
      supervision: { restart: 'temporary' as const, intensity: 0 },
      ...(resume !== undefined && { resume }),
    }
  }

  #death(steps: readonly Step[]): Death | undefined {
    const { kills } = this.#script
    const { death } = this.#fate()
    if (kills === 'never' || (kills === 'quiet' && death !== 'after release')) return undefined
    // Nobody can know what became of a write that had begun: that is no business of XState's either.
    if (this.#writes.size > 0 || (death !== 'before commit' && steps.some(beginsWrite))) return undefined
    this.#deathsInARow = death === 'before commit' ? this.#deathsInARow + 1 : 0
    return this.#deathsInARow > DEATHS_IN_A_ROW ? undefined : death
  }

  #note(steps: readonly Step[]): void {
    this.#stored += 1
    this.#steps += steps.length
    for (const { input, effect } of steps) {
      if (effect?.class !== 'write') continue
      if (input.kind === 'effect.started') this.#writes.add(effect.id)
      else this.#writes.delete(effect.id)
    }
  }

  // ── What is seen ────────────────────────────────────────────────────────────────────────────────────────────────────

  async seen(): Promise<Journey> {
    const { deaths } = this
    if (this.#script.kills !== 'never') await this.#live()
    const { emitted, failure, withoutState } = await readLog(this.#place, this.#address, this.#names)
    const tree = this.#root === undefined ? null : treeOf(this.#root, this.#names)
    return { sight: { emitted, tree }, failure, deaths, steps: this.#steps, withoutState }
  }

  end(): void {
    this.#life?.end()
  }
}

const beginsWrite = ({ input, effect }: Step) => input.kind === 'effect.started' && effect?.class === 'write'

const anything = guarded('a record', (value: unknown): value is object => typeof value === 'object' && value !== null)

function eventsOf({ operations }: Case): Schemas {
  const types = operations.flatMap((operation) => {
    if (typeof operation === 'string') return [operation]
    return isEvent(operation) ? [operation.type] : []
  })
  return Object.fromEntries(types.map((type) => [type, anything]))
}

export async function journaledRun(script: Case, place: Place, options: Journaling): Promise<Journey> {
  const world = new World()
  const subject = new Journaled(script, world, place, options)
  try {
    await play(script, world, subject)
    return await subject.seen()
  } finally {
    subject.end()
  }
}
