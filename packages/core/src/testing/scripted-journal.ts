/**
 * A journal whose appends meet what the script says: the faults of a network and of a store that tests of the turn need.
 *
 * 1. What is not scripted goes to the journal below. Every append is kept, as it came.
 */
import type { AppendOutcome, Journal } from '../ports.ts'

/** `lost`: stored, yet nobody learns of it. `dropped`: not stored, and nobody learns that either. */
export type Fault = 'lost' | 'dropped' | 'refused' | ((go: () => Promise<AppendOutcome>) => Promise<AppendOutcome>)

export interface ScriptedJournal extends Journal {
  /** What the next appends meet, in order. */
  readonly script: Fault[]
  readonly appends: { readonly subject: string; readonly expected: number; readonly bytes: Uint8Array }[]
  /** From now on appends wait; the result lets all of them go. */
  hold(): () => void
}

export function scriptedJournal(below: Journal, overrides: Partial<Journal> = {}): ScriptedJournal {
  const script: Fault[] = []
  const appends: { subject: string; expected: number; bytes: Uint8Array }[] = []
  let held: Promise<void> | undefined
  return {
    streamId: below.streamId,
    last: (subject) => below.last(subject),
    heads: (pattern) => below.heads(pattern),
    read: (pattern, options) => below.read(pattern, options),
    follow: (pattern, options) => below.follow(pattern, options),
    purge: (subject, position) => below.purge(subject, position),
    ...overrides,
    script,
    appends,
    append: async (subject, expected, bytes) => {
      appends.push({ subject, expected, bytes: new Uint8Array(bytes) })
      const go = () => below.append(subject, expected, bytes)
      const fault = script.shift()
      await held
      if (fault === undefined) return go()
      if (fault === 'refused') return { kind: 'refused', cause: new Error('the store is full') }
      if (fault === 'lost') await go()
      return typeof fault === 'function' ? fault(go) : { kind: 'unknown', cause: new Error('no answer came') }
    },
    hold: () => {
      let free = () => {}
      held = new Promise((resolve) => {
        free = resolve
      })
      return () => {
        held = undefined
        free()
      }
    },
  }
}
