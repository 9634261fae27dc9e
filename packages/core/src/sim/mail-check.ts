/** What became of every letter: invariant 15 of `ledger.ts`. */
import type { Step } from '../step.ts'
import type { Ledger } from './ledger.ts'
import { idOf } from './letters.ts'

interface Taken {
  readonly step: Step
  /** Place of its record in the whole log, and of the step in it. */
  readonly at: readonly [record: number, step: number]
}

export function checkMail(ledger: Ledger): void {
  const { stored, planned, dead, deliveries, redriven } = ledger.letters
  const taken = takenBy(ledger)
  const newest = new Map<string, { readonly n: number; readonly at: Taken['at'] }>()
  const applied = new Map<string, number>()
  for (const { id, to, client, n, records, expiresAt, causation } of stored.values()) {
    const [first, ...more] = taken.get(id) ?? []
    if (more.length > 0) ledger.report(15, `letter ${id} was taken ${more.length + 1} times`)
    if (first === undefined) continue
    if (first.at[0] < records) ledger.report(15, `letter ${id} was taken before it was stored`)
    const { outcome, at, error } = first.step
    const late = expiresAt !== undefined && at > expiresAt
    if (outcome === 'applied' && late) ledger.report(15, `letter ${id} was applied after it had expired`)
    if (error?.code === 'LetterExpired' && !late) ledger.report(15, `letter ${id} was refused in time as expired`)
    if (outcome === 'applied') applied.set(causation, (applied.get(causation) ?? 0) + 1)
    if (outcome === 'applied' && dead.has(id)) ledger.report(15, `letter ${id} is dead and was applied`)
    if (outcome !== 'applied' && !dead.has(id)) ledger.report(15, `letter ${id} was refused and is kept nowhere`)
    const before = newest.get(`${client} to ${to}`)
    if (before !== undefined && before.n < n && isAfter(before.at, first.at)) {
      ledger.report(15, `letter ${id} was taken before letter ${before.n} of the same sender`)
    }
    if (before === undefined || before.n < n) newest.set(`${client} to ${to}`, { n, at: first.at })
  }
  for (const id of dead.keys()) if (!stored.has(id)) ledger.report(15, `the dead letter ${id} was never stored`)
  const known = new Set([...stored.values(), ...planned.values()].map(({ causation }) => causation))
  for (const id of redriven)
    if (!stored.has(id)) ledger.report(15, `the redriven letter ${id} was told stored and is not`)
  for (const { id, to, ended } of deliveries) {
    const there = known.has(`client:${id}`)
    const times = applied.get(`client:${id}`) ?? 0
    if (times > 1) ledger.report(15, `delivery ${id} to ${to} was applied ${times} times`)
    if (ended?.stored === true && !there) ledger.report(15, `delivery ${id} to ${to} was told stored and is not`)
    if (ended?.stored === false && ended.applied === 'no' && there) {
      ledger.report(15, `delivery ${id} to ${to} was told to have failed and is stored`)
    }
  }
}

function takenBy(ledger: Ledger): ReadonlyMap<string, readonly Taken[]> {
  const taken = new Map<string, Taken[]>()
  for (const [at, { record }] of ledger.records.entries()) {
    for (const [i, step] of record.steps.entries()) {
      if (step.command === undefined || step.input.kind !== 'message') continue
      const id = idOf(step.command, record.actor)
      taken.set(id, [...(taken.get(id) ?? []), { step, at: [at, i] }])
    }
  }
  return taken
}

function isAfter([record, step]: Taken['at'], [otherRecord, otherStep]: Taken['at']): boolean {
  return record > otherRecord || (record === otherRecord && step > otherStep)
}
