/**
 * A simulated process: what runs in it can be frozen and killed at any moment.
 *
 * 1. Nothing reaches a process but through `run`: timers, messages, answers. Dead: it is dropped. Frozen: it waits.
 * 2. A dead process does nothing that anybody else could see: its link is silent from the same moment on.
 * 3. After a pause everything that waited comes in its order, late.
 */
import { ProcessClock } from './process-clock.ts'
import type { Scheduler } from './scheduler.ts'

export class SimProcess {
  readonly name: string
  readonly scheduler: Scheduler
  readonly clock: ProcessClock
  #state: 'running' | 'frozen' | 'dead' = 'running'
  #frozenOnce = false
  #waiting: (() => void)[] = []
  readonly #onDeath: (() => void)[] = []

  readonly #mortal: boolean

  /** @param options `mortal`: it may die by chance, not only when it is killed; `rate`: of its clock */
  constructor(name: string, scheduler: Scheduler, options: { readonly mortal?: boolean; readonly rate?: number } = {}) {
    const { mortal = false, rate = 1 } = options
    this.#mortal = mortal
    this.name = name
    this.scheduler = scheduler
    this.clock = new ProcessClock(scheduler.time, rate, (task) => this.run(`${name} timer`, task))
  }

  get alive(): boolean {
    return this.#state !== 'dead'
  }

  /** Its time may have stood still: nothing that it did had to be on time. */
  get frozenOnce(): boolean {
    return this.#frozenOnce
  }

  run(label: string, task: () => void): void {
    if (this.#state === 'dead') return
    if (this.#state === 'frozen') {
      this.#waiting.push(() => this.run(label, task))
      return
    }
    this.scheduler.note(label)
    task()
  }

  /** Before everything a process does to the world: it may die right here. True when it is dead. */
  mayDie(): boolean {
    if (this.#mortal && this.#state !== 'dead' && this.scheduler.chance(this.scheduler.faults.crash)) this.kill()
    return this.#state === 'dead'
  }

  kill(): void {
    if (this.#state === 'dead') return
    this.scheduler.note(`${this.name} dies`)
    this.#state = 'dead'
    this.#waiting = []
    for (const listener of this.#onDeath) listener()
  }

  onDeath(listener: () => void): void {
    this.#onDeath.push(listener)
  }

  freeze(): void {
    if (this.#state !== 'running') return
    this.#state = 'frozen'
    this.#frozenOnce = true
  }

  thaw(): void {
    if (this.#state !== 'frozen') return
    this.#state = 'running'
    const late = this.#waiting
    this.#waiting = []
    for (const task of late) this.scheduler.at(0, `${this.name} late`, task)
  }
}
