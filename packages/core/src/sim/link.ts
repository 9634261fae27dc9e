/**
 * One process's connection to the simulated server.
 *
 * 1. What is sent in one direction arrives in the order it was sent, as on one TCP connection; only what chance makes slow
 *    or sends twice leaves that order.
 * 2. A request without an answer within `REQUEST_MS` fails; it may still be done, now or later.
 * 3. A cut fails every open request and loses what was on its way to the process. What was on its way to the server arrives.
 * 4. The server learns of a dead process only after a while; until then it counts as a receiver.
 * 5. What a partition keeps from arriving (`network.ts`) is not noticed here: requests run into their time.
 */
import { Disconnected, LogUnavailable } from '../errors.ts'
import type { Subscription } from '../ports.ts'
import type { Network, Service } from './network.ts'
import type { SimProcess } from './process.ts'
import type { Fate, Scheduler } from './scheduler.ts'

const REQUEST_MS = 2_000
const NOTICED_MS = [0, 1_500] as const

export class SimLink {
  readonly process: SimProcess
  readonly #scheduler: Scheduler
  readonly #network: Network
  readonly #listeners = new Set<(connected: boolean) => void>()
  readonly #returns = new Set<() => void>()
  readonly #pending = new Set<(error: Error) => void>()
  #connected = true
  #closed = false
  /** The server still believes in this connection. */
  #known = true
  #era = 0
  #upFreeMs = 0
  #downFreeMs = 0

  constructor(process: SimProcess, network: Network) {
    this.process = process
    this.#network = network
    this.#scheduler = process.scheduler
    process.onDeath(() => this.#died())
  }

  get connected(): boolean {
    return this.#connected
  }
  get closed(): boolean {
    return this.#closed
  }
  /** Whether the server would send something here. */
  get reachable(): boolean {
    return this.#known && this.#connected
  }

  /** Whether what this service says would arrive now. */
  hears(service: Service): boolean {
    return this.#connected && !this.#network.blocks(service, this.process.name)
  }

  cut(): void {
    if (!this.#connected) return
    this.#connected = false
    this.#era += 1
    this.#tell(false)
    const lost = new LogUnavailable('the connection was lost before the answer came')
    for (const fail of [...this.#pending]) fail(lost)
  }

  heal(): void {
    if (this.#connected || this.#closed || !this.process.alive) return
    this.#connected = true
    for (const resume of [...this.#returns]) resume()
    this.#tell(true)
  }

  close(): void {
    this.#closed = true
    this.cut()
  }

  onChange(listener: (connected: boolean) => void): Subscription {
    const entry = (connected: boolean): void => listener(connected)
    this.#listeners.add(entry)
    return { unsubscribe: () => this.#listeners.delete(entry) }
  }

  /** The server's side of a return: what it has to send again goes out before anything new, even to a frozen process. */
  onReturn(resume: () => void): Subscription {
    this.#returns.add(resume)
    return { unsubscribe: () => this.#returns.delete(resume) }
  }

  /** Throws what a sender gets who has no connection. */
  check(): void {
    if (this.#closed) throw new Disconnected('the connection is closed')
    if (!this.#connected) throw new Disconnected('no connection to the simulated server: it was cut')
  }

  /** Towards the server. */
  up(service: Service, label: string, fate: Fate, arrive: () => void): void {
    if (fate.lost) return
    const passed = (how: string) => (): void =>
      this.#network.pass(this.process.name, service, fate.sure === true, () => {
        this.#scheduler.note(`${label} ${how}`)
        arrive()
      })
    this.#upFreeMs = this.#send(fate.delayMs, this.#upFreeMs, passed('arrives'))
    if (fate.againMs !== undefined) this.#scheduler.time.at(fate.againMs, passed('arrives again'))
  }

  /** Towards the process. @param from who has sent it, when that is another party than the service */
  down(service: Service, label: string, fate: Fate, arrive: () => void, from: string = service): void {
    if (fate.lost || !this.#connected) return
    const era = this.#era
    const { name } = this.process
    const sure = fate.sure === true
    const arrived = (): void =>
      this.process.run(label, () => {
        if (era === this.#era) arrive()
      })
    this.#downFreeMs = this.#send(fate.delayMs, this.#downFreeMs, () =>
      this.#network.pass(service, name, sure, () => this.#network.pass(from, name, sure, arrived)),
    )
  }

  /** @returns when the next message may arrive at the earliest */
  #send(delayMs: number, freeMs: number, arrive: () => void): number {
    const now = this.#scheduler.time.elapsedMs
    const inOrder = Math.max(now + delayMs, freeMs)
    // A slow one is overtaken.
    const slow = delayMs > 400
    this.#scheduler.time.at((slow ? now + delayMs : inOrder) - now, arrive)
    return slow ? freeMs : inOrder
  }

  /** `request` runs at the server. */
  async call<T>(
    service: Service,
    label: string,
    request: () => T,
    answered: (answer: T) => void = () => {},
  ): Promise<T> {
    this.check()
    if (this.process.mayDie()) return new Promise(() => {})
    return new Promise<T>((resolve, reject) => {
      const end = (tell: () => void): void => {
        if (!this.#pending.delete(fail)) return
        timer.cancel()
        tell()
      }
      const fail = (error: Error): void => end(() => reject(error))
      this.#pending.add(fail)
      const timer = this.process.clock.after(REQUEST_MS, () =>
        fail(new LogUnavailable(`no answer to '${label}' within ${REQUEST_MS} ms`)),
      )
      this.up(service, label, this.#scheduler.requestFate(), () => {
        if (!this.#scheduler.available) return
        const answer = request()
        this.down(service, `${label} answered`, this.#scheduler.answerFate(), () =>
          end(() => {
            answered(answer)
            resolve(answer)
          }),
        )
      })
    })
  }

  #tell(connected: boolean): void {
    for (const listener of [...this.#listeners])
      this.process.run(`${this.process.name} link`, () => listener(connected))
  }

  #died(): void {
    this.#era += 1
    this.#pending.clear()
    const noticedMs = this.#scheduler.between(NOTICED_MS)
    this.#scheduler.at(noticedMs, `${this.process.name} is seen to be dead`, () => {
      this.#known = false
    })
  }
}
