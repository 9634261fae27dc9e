/** What is left of a run on a journal: what anybody could read of it afterwards. */
import type { Address } from '../address.ts'
import { decodeRecord } from '../step.ts'
import type { Names, Sight } from './compare.ts'
import { Emits } from './emits.ts'
import { type Place, subjectIn } from './place.ts'

export interface Journey extends Logged {
  readonly sight: Sight
  readonly deaths: number
  /** Of the machine, not of the runtime. */
  readonly steps: number
}

export interface Logged {
  /** What the last step that failed is recorded with. */
  readonly failure: string | undefined
  /** Appends that a recovery must fold. */
  readonly withoutState: number
}

export async function readLog(place: Place, address: Address, names: Names): Promise<Logged & Pick<Sight, 'emitted'>> {
  const emits = new Emits(names)
  let failure: string | undefined
  let withoutState = 0
  for await (const { bytes } of place.journal.read(subjectIn(place, address))) {
    const { steps, state } = decodeRecord(bytes)
    if (state === undefined) withoutState += 1
    for (const { made, outcome, error } of steps) {
      if (outcome === 'applied') emits.note(made ?? {})
      if (outcome === 'error') failure = error?.message
    }
  }
  return { emitted: emits.events, failure, withoutState }
}
