/**
 * What a holder has to tell its gate: what became of allowances, what the provider said. Taken along by questions, or told alone.
 *
 * 1. Nothing is forgotten before the gate has acknowledged it.
 * 2. While allowances are held something is told every `ALIVE_MS`: a gate takes a holder that is silent for three times that for dead.
 */
import type { Clock, Timer } from '@troupe/core'
import type { Allowance } from './allowance.ts'
import type { Told } from './buckets.ts'
import { LONGEST_WAIT_MS, type Report } from './gate-protocol.ts'

const ALIVE_MS = 10_000
const ENTRIES = 500
const AGAIN_MS = 1_000

export interface GateReportsOptions {
  readonly clock: Clock
  /** Resolves when the gate has heard it. */
  readonly tell: (report: Report) => Promise<void>
  /** The gate has heard the last word on it. */
  readonly over: (allowance: Allowance) => void
}

export interface Telling {
  readonly report: Report
  /** Whether the gate has. */
  readonly heard: (heard: boolean) => void
}

export class GateReports {
  readonly #o: GateReportsOptions
  readonly #held = new Set<Allowance>()
  readonly #untold = new Set<Allowance>()
  #told: Told | undefined
  #drainMs: number | undefined
  #timer: Timer | undefined
  #dueMs = Infinity
  #telling = false
  #closed = false
  /** How long changes may wait for others to be told with them. */
  soonMs = 500

  constructor(options: GateReportsOptions) {
    this.#o = options
  }

  /** From here on its gate hears of us, also when there is nothing to say of it. */
  holds(allowance: Allowance): void {
    this.#held.add(allowance)
    this.#tellWithin(ALIVE_MS)
  }

  changed(allowance: Allowance): void {
    this.#untold.add(allowance)
    this.#tellWithin(this.soonMs)
  }

  told(told: Told): void {
    this.#told = plausible(told)
    this.#tellWithin(this.soonMs)
  }

  drained(retryAfterMs: number): void {
    this.#drainMs = Math.max(this.#drainMs ?? 0, waitOf(retryAfterMs) ?? 0)
    this.#tellWithin(0)
  }

  /** What there is to say now. */
  take(): Telling {
    const taken = [...this.#untold].slice(0, ENTRIES)
    const [told, drainMs] = [this.#told, this.#drainMs]
    const saysOver = taken.filter(({ over }) => over)
    for (const allowance of taken) this.#untold.delete(allowance)
    this.#told = this.#drainMs = undefined
    const report: Report = {
      entries: taken.map(({ entry }) => entry),
      ...(told && { told: { ...told, limits: { ...told.limits } } }),
      ...(drainMs !== undefined && { drainMs }),
    }
    const heard = (did: boolean) => {
      if (!did) {
        for (const allowance of taken) this.#untold.add(allowance)
        this.#told ??= told
        if (drainMs !== undefined) this.#drainMs = Math.max(this.#drainMs ?? 0, drainMs)
      } else {
        for (const allowance of saysOver) {
          this.#held.delete(allowance)
          this.#o.over(allowance)
        }
      }
      if (this.#untold.size > 0) this.#tellWithin(did ? this.soonMs : AGAIN_MS)
      else if (this.#held.size > 0) this.#tellWithin(ALIVE_MS)
    }
    return { report, heard }
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #tellWithin(ms: number): void {
    const dueMs = this.#o.clock.monotonic() + ms
    if (this.#closed || dueMs >= this.#dueMs) return
    this.#timer?.cancel()
    this.#dueMs = dueMs
    this.#timer = this.#o.clock.after(ms, () => {
      this.#dueMs = Infinity
      void this.#tell()
    })
  }

  async #tell(): Promise<void> {
    if (this.#telling) return this.#tellWithin(this.soonMs)
    this.#telling = true
    const { report, heard } = this.take()
    const did = await this.#o.tell(report).then(
      () => true,
      () => false,
    )
    this.#telling = false
    heard(did)
  }
}

function waitOf(ms: number | undefined): number | undefined {
  return ms !== undefined && ms >= 0 ? Math.min(ms, LONGEST_WAIT_MS) : undefined
}

/** What the gate can hear of it. */
function plausible({ retryAfterMs, limits }: Told): Told {
  const figure = (value: number | undefined) => (Number.isFinite(value) ? value : undefined)
  const said = Object.entries(limits).map(([name, { cap, remaining, resetMs }]) => [
    name,
    { cap: figure(cap), remaining: figure(remaining), resetMs: waitOf(resetMs) },
  ])
  return { retryAfterMs: waitOf(retryAfterMs), limits: Object.fromEntries(said) }
}
