/**
 * An actor's place in its journal: what the next record follows, where the newest state is, and how a record is made.
 *
 * 1. A record follows the last one by position and by hash; its identity includes the writer, random per activation.
 * 2. The state after a group goes into its record when it is small (4 KB), at the latest every 100 steps or 256 KB, and whenever
 *    the actor comes or goes. A state that does not fit beside its steps stays where it is, and the tail behind it grows.
 */
import type { Address } from './address.ts'
import { append, type Fate } from './append.ts'
import type { ShardProgress } from './checkpoint.ts'
import { hashOfBytes } from './codec.ts'
import type { Observer } from './observer.ts'
import { type Clock, type Entropy, type Journal, PAYLOAD_BYTES } from './ports.ts'
import type { Recovered } from './recovery.ts'
import type { LogTrim } from './retention.ts'
import type { TreeSeal } from './seal.ts'
import { HASH_VERSION, hashOfText } from './state-hash.ts'
import {
  type Activation,
  type ActorState,
  type DraftRecord,
  encodeRecord,
  type JournalRecord,
  type Step,
} from './step.ts'

const SMALL_STATE_BYTES = 4 * 1024
const STATE_EVERY_STEPS = 100
const STATE_EVERY_BYTES = 256 * 1024

export interface ActorJournalOptions {
  readonly address: Address
  readonly epoch: number
  readonly logicHash: string
  readonly subject: string
  readonly journal: Journal
  readonly clock: Clock
  readonly entropy: Entropy
  readonly progress?: ShardProgress
  readonly onStateSize?: (sizeBytes: number) => void
  readonly trim?: LogTrim
  readonly seal?: TreeSeal
  readonly observer?: Observer
}

/** What one append holds. */
export interface Entry {
  readonly steps: readonly Step[]
  /** Size of the messages behind the steps. */
  readonly sizeBytes: number
  readonly state: ActorState
  readonly open: JournalRecord['open']
  readonly activated: Activation | undefined
  /** The actor leaves this node: its state must be found by one read. */
  readonly leaving: boolean
}

export class ActorJournal {
  readonly #o: ActorJournalOptions
  readonly #writer: string
  #position = 0
  #prev = ''
  #base = 0
  #since = { steps: 0, bytes: 0 }

  constructor(options: ActorJournalOptions) {
    this.#o = options
    this.#writer = options.entropy.hex(128)
  }

  /** Goes on behind what was found. */
  follow({ position, prev, base, kept }: Pick<Recovered, 'position' | 'prev' | 'base' | 'kept'>): void {
    this.#o.trim?.follow(kept)
    this.#position = position
    this.#prev = prev
    this.#base = base
  }

  /** One read of the newest record gives the state. */
  get stateIsNewest(): boolean {
    return this.#base === this.#position
  }

  async write(entry: Entry, goOn: () => boolean): Promise<Fate> {
    const { address, journal, clock, subject, progress, observer } = this.#o
    const { bytes, carriesState } = this.#bytes(entry)
    progress?.begins(address)
    const begun = observer === undefined ? 0 : clock.monotonic()
    const fate = await append(journal, clock, { subject, expected: this.#position, bytes, goOn })
    observer?.appended({ outcome: fate.kind, tookMs: clock.monotonic() - begun, sizeBytes: bytes.byteLength })
    const { asks, effects, timers, sends } = entry.open
    progress?.ends(address, fate, asks + effects + timers + sends > 0)
    if (fate.kind === 'committed') {
      this.#position = fate.position
      this.#prev = hashOfBytes(bytes)
      if (carriesState) this.#base = fate.position
      this.#o.trim?.committed(this.#base, entry.state.seq)
    }
    return fate
  }

  #bytes(entry: Entry): { readonly bytes: Uint8Array; readonly carriesState: boolean } {
    const text = JSON.stringify(entry.state)
    this.#o.onStateSize?.(text.length)
    const record = this.#record(entry, hashOfText(text))
    if (this.#isDue(entry, text.length) || entry.activated !== undefined || entry.leaving) {
      const bytes = this.#encoded({ ...record, base: 0 }, text)
      if (bytes.length <= PAYLOAD_BYTES || this.#base === 0) {
        this.#since = { steps: 0, bytes: 0 }
        return { bytes, carriesState: true }
      }
    }
    return { bytes: this.#encoded({ ...record, base: this.#base }), carriesState: false }
  }

  #encoded(record: DraftRecord, state?: string): Uint8Array {
    return this.#o.seal?.encode(record, state) ?? encodeRecord(record, state)
  }

  #isDue({ steps, sizeBytes }: Entry, stateBytes: number): boolean {
    this.#since = { steps: this.#since.steps + steps.length, bytes: this.#since.bytes + sizeBytes }
    const overdue = this.#since.steps >= STATE_EVERY_STEPS || this.#since.bytes >= STATE_EVERY_BYTES
    return stateBytes <= SMALL_STATE_BYTES || overdue
  }

  #record({ steps, open, activated }: Entry, hash: string): Omit<DraftRecord, 'base'> {
    const { address, epoch, logicHash } = this.#o
    return {
      v: 1,
      actor: address,
      epoch,
      writer: this.#writer,
      prev: this.#prev,
      logic: logicHash,
      ...(activated !== undefined && { activated }),
      steps,
      ...this.#o.trim?.note,
      hash,
      hashVersion: HASH_VERSION,
      open,
    }
  }
}
