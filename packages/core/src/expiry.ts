/** When a letter comes too late: decided by the time of the step that takes it, which the log keeps. */
import type { Address } from './address.ts'
import { LetterExpired } from './errors.ts'

export function letterExpired(address: Address, expiresAt: number, at: number): LetterExpired {
  const [then, lateMs] = [new Date(expiresAt).toISOString(), at - expiresAt]
  return new LetterExpired(`the letter to '${address}' was to be taken by ${then}, ${lateMs} ms earlier`, { expiresAt })
}
