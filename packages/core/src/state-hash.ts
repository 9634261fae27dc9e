/**
 * The hash of an actor's state that every record carries: the first step whose state is another one is where code, log or
 * entropy went apart.
 *
 * 1. Version 2 is SHA-256 of the JSON text of the state, base64url. Text that is parsed and written again is the same text: JSON
 *    keeps the order of fields, and whoever folds the steps makes them in the order in which they were made.
 * 2. Version 1 is of the state in its version 1, its fields sorted, which cost more than the hash itself. Its records are checked
 *    as they were written.
 */
import { hash } from 'node:crypto'
import { hashOf } from './codec.ts'
import { asVersion1 } from './state-format.ts'
import type { ActorState, JournalRecord } from './step.ts'

export const HASH_VERSION = 2

/** @param text the JSON text of a state */
export function hashOfText(text: string): string {
  return hash('sha256', text, 'base64url')
}

/** The hash that a record with this state carries. */
export function stateHash(state: ActorState, { hashVersion }: Pick<JournalRecord, 'hashVersion'>): string {
  return hashVersion === 1 ? hashOf(asVersion1(state)) : hashOfText(JSON.stringify(state))
}
