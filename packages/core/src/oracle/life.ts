/**
 * One life of a resident actor in the oracle's world: from its activation, which reads the log, to the death of its process.
 * The turn, the step maker and the recovery are the production ones; only time and the moment of death are the test's.
 */
import type { AnyActorDef } from '../actor.ts'
import type { Address } from '../address.ts'
import type { Envelope, WireAnswer } from '../envelope.ts'
import { logicHash } from '../logic-hash.ts'
import type { Clock } from '../ports.ts'
import { Resident } from '../turn.ts'
import { type Mortality, MortalJournal } from './mortal-journal.ts'
import { type Place, subjectIn } from './place.ts'
import type { World } from './world.ts'

export interface LifeOptions extends Mortality {
  readonly place: Place
  readonly world: World
  readonly address: Address
  readonly def: AnyActorDef
  readonly epoch: number
  /** Each append holds one step. */
  readonly single: boolean
}

interface Task {
  readonly due: number
  readonly run: () => void
}

export class Life {
  readonly journal: MortalJournal
  readonly #o: LifeOptions
  readonly #resident: Resident
  readonly #tasks = new Set<Task>()
  #moments = 0

  constructor(options: LifeOptions) {
    this.#o = options
    const { place, address, def, epoch } = options
    this.journal = new MortalJournal(place.journal, options)
    this.#resident = new Resident({
      address,
      def,
      logicHash: logicHash(def),
      epoch,
      subject: subjectIn(place, address),
      activation: {
        namespace: 'oracle',
        node: `life ${epoch}`,
        pid: 1,
        at: 0,
        app: '',
        runtime: '',
        xstate: '',
        nodejs: '',
      },
      journal: this.journal,
      clock: this.#clock(),
      entropy: { ...place.entropy, random: options.world.random },
      runtime: place.runtime,
      onEmit: () => {},
      onSend: async () => true,
      onLog: () => {},
      onLost: () => {},
    })
    void this.#resident.activate({ correlation: 'oracle', causation: 'oracle' })
  }

  /** A turn takes what waits until 10 ms have passed, so with a clock that jumps it takes one input. */
  #clock(): Clock {
    const { world, single } = this.#o
    return {
      now: () => world.now,
      monotonic: () => (single ? (this.#moments += 10) : world.now),
      after: (delayMs, run) => {
        const task = { due: world.now + delayMs, run }
        this.#tasks.add(task)
        return { cancel: () => void this.#tasks.delete(task) }
      },
    }
  }

  get running(): boolean {
    return this.#resident.listing().life === 'active'
  }

  receive(envelope: Envelope, answered: (answer: WireAnswer) => void): void {
    const route = (answer: WireAnswer): void => {
      if (!this.journal.dead) answered(answer)
    }
    this.#resident.receive(envelope, route, 1)
  }

  /** Runs the oldest task whose time has come; false when there is none. */
  fire(): boolean {
    const due = [...this.#tasks].filter((task) => task.due <= this.#o.world.now)
    const next = due.toSorted((a, b) => a.due - b.due)[0]
    if (next === undefined) return false
    this.#tasks.delete(next)
    next.run()
    return true
  }

  drain(): Promise<void> {
    return this.#resident.drain()
  }

  end(): void {
    this.journal.end()
    this.#tasks.clear()
    this.#o.world.forget()
    this.#resident.stop()
  }
}
