/** Where the log of an actor under test is, and what its effects see of a system. */
import type { Address, Subjects } from '../address.ts'
import type { Entropy, Journal } from '../ports.ts'
import type { EffectRuntime } from '../runtime.ts'

export interface Place {
  readonly journal: Journal
  readonly subjects: Subjects
  readonly runtime: EffectRuntime
  /** For keys and for the identity of writers. */
  readonly entropy: Entropy
}

export function subjectIn({ subjects }: Place, address: Address): string {
  return subjects.journal('main-0', address)
}
