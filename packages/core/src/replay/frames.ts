/**
 * Stepping through an actor's past: `for await (const frame of frames(…))`, or one step with `at(seq)`.
 *
 * 1. `at` folds from the newest recorded state before the step, so a jump reads the history but folds at most the steps since.
 */
import type { AnyActorDef } from '../actor.ts'
import type { Address, Subjects } from '../address.ts'
import type { Journal, JournalEntry, KeyStore } from '../ports.ts'
import { SealReader } from '../seal.ts'
import { decodeRecord } from '../step.ts'
import { ActorReplay, type Frame } from './actor-replay.ts'

export interface Frames extends AsyncIterable<Frame> {
  /** Undefined when the actor has no such step. */
  at(seq: number): Promise<Frame | undefined>
}

export function frames(
  journal: Journal,
  subjects: Subjects,
  address: Address,
  def: AnyActorDef,
  keys?: KeyStore,
): Frames {
  const sealed = new SealReader(keys)
  async function* entries(): AsyncGenerator<JournalEntry> {
    for await (const entry of journal.read(subjects.history(address))) {
      await sealed.prepareFor(entry.bytes)
      yield entry
    }
  }
  return {
    async *[Symbol.asyncIterator]() {
      const replay = new ActorReplay(address, def, sealed)
      for await (const entry of entries()) yield* framesOf(replay, entry)
    },
    async at(seq) {
      let base: JournalEntry | undefined
      let tail: JournalEntry[] = []
      for await (const entry of entries()) {
        const record = sealed.open(decodeRecord(entry.bytes, address))
        if (record === undefined) continue
        tail.push(entry)
        if (record.steps.some((step) => step.seq === seq))
          return frameAt(new ActorReplay(address, def, sealed), base, tail, seq)
        if (record.state === undefined) continue
        base = entry
        tail = []
      }
      return undefined
    },
  }
}

function frameAt(
  replay: ActorReplay,
  base: JournalEntry | undefined,
  tail: readonly JournalEntry[],
  seq: number,
): Frame | undefined {
  if (base !== undefined) replay.startAfter(base)
  const found = tail.flatMap((entry) => framesOf(replay, entry))
  return found.find((frame) => frame.step.seq === seq)
}

function framesOf(replay: ActorReplay, entry: JournalEntry): Frame[] {
  const found: Frame[] = []
  replay.feed(entry, (frame) => found.push(frame))
  return found
}
