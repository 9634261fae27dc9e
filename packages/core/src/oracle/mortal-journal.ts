/**
 * The journal as one process sees it that dies when fate says so: before an append is stored, after it is stored and before
 * anybody knows, or once it has been released.
 *
 * 1. A process that has died gets no answer to anything, so it does nothing that anybody could see.
 * 2. Fate is asked once per append that holds a step of the machine: what records an activation or an attempt always passes.
 * 3. An append that the server does not answer ends the process as well: what became of it is for the next one to find out.
 */
import type { AppendOutcome, Journal, JournalEntry } from '../ports.ts'
import { decodeRecord, type Step } from '../step.ts'
import type { Death } from './fate.ts'

export interface Mortality {
  readonly death: (steps: readonly Step[]) => Death | undefined
  /** An append of the machine's steps is stored. */
  readonly onStored: (steps: readonly Step[]) => void
  /** It waits with its last breath until there is nothing left to do. */
  readonly patient: boolean
}

export class MortalJournal implements Journal {
  readonly #journal: Journal
  readonly #o: Mortality
  readonly #open = new Set<Promise<unknown>>()
  #dead = false
  /** It dies when it has nothing to do, at the latest when it wants to store something. */
  #doomed = false

  constructor(journal: Journal, mortality: Mortality) {
    this.#journal = journal
    this.#o = mortality
  }

  get streamId(): string {
    return this.#journal.streamId
  }
  get dead(): boolean {
    return this.#dead
  }
  get doomed(): boolean {
    return this.#doomed
  }

  end(): void {
    this.#dead = true
  }

  /** Resolves when no request waits for its answer; false when none did. */
  async answered(): Promise<boolean> {
    if (this.#open.size === 0) return false
    await Promise.allSettled(this.#open)
    return true
  }

  async append(subject: string, expected: number, bytes: Uint8Array): Promise<AppendOutcome> {
    if (this.#doomed && !this.#o.patient) this.end()
    const { steps } = decodeRecord(bytes)
    const decides = steps.some(({ input }) => input.kind !== 'settled' && input.kind !== 'operator')
    const death = decides ? this.#o.death(steps) : undefined
    if (death === 'before commit') this.end()
    const outcome = await this.#ask(() => this.#journal.append(subject, expected, bytes))
    if (outcome.kind === 'stored' && decides) this.#o.onStored(steps)
    if (death === 'before release' || outcome.kind === 'unknown') this.end()
    if (death === 'after release') this.#doomed = true
    return this.#dead ? silence() : outcome
  }

  purge(subject: string, below: number): Promise<void> {
    return this.#ask(() => this.#journal.purge(subject, below))
  }

  last(subject: string): Promise<JournalEntry | undefined> {
    return this.#ask(() => this.#journal.last(subject))
  }

  heads(pattern: string): AsyncIterable<JournalEntry> {
    return this.#journal.heads(pattern)
  }

  async *read(pattern: string, options?: { readonly from?: number }): AsyncIterable<JournalEntry> {
    yield* await this.#ask(() => Array.fromAsync(this.#journal.read(pattern, options)))
  }

  follow(
    pattern: string,
    options: { readonly from?: number; readonly signal: AbortSignal },
  ): AsyncIterable<JournalEntry> {
    return this.#journal.follow(pattern, options)
  }

  async #ask<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#dead) return silence()
    const answer = ask()
    this.#open.add(answer)
    try {
      return await answer
    } finally {
      this.#open.delete(answer)
    }
  }
}

function silence(): Promise<never> {
  return new Promise(() => {})
}
