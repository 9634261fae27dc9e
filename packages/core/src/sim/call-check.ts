/**
 * What callers were told, against the log: invariants 1, 2, 7 and 8 of `ledger.ts`.
 *
 * 1. A call is found in the log by its cause, or by its idempotency key: calls under one key are one command. An order is found
 *    by its reason.
 */
import { canonical, encode } from '../codec.ts'
import { type Answer, answersIn, askIdOf, type Step, stepId } from '../step.ts'
import { type Call, endsActor, type Ledger } from './ledger.ts'

/** The asker looks at its deadlines every 25 ms. */
const LATE_MS = 100
/** How the causation of a client's call begins. */
const CLIENT = 'client:'

interface Taken {
  readonly step: Step
  /** Place of its record in the whole log. */
  readonly at: number
}

interface Found {
  readonly byCall: ReadonlyMap<string, readonly Taken[]>
  readonly byKey: ReadonlyMap<string, readonly Taken[]>
  /** By actor and ask. */
  readonly answers: ReadonlyMap<string, { readonly answer: Answer; readonly at: number }>
  /** Place of the record with which an actor ended. */
  readonly ended: ReadonlyMap<string, number>
}

const ENDS: ReadonlySet<string> = new Set(['ActorDone', 'ActorStopped', 'ActorQuarantined'])
/** Errors of a step of the machine: they stand in the log. */
const RECORDED: ReadonlySet<string> = new Set(['EventNotAccepted', 'ActorFailed', 'AskUnanswered'])

export function checkCalls(ledger: Ledger): void {
  const found = commandsIn(ledger)
  for (const [key, taken] of found.byKey) {
    if (taken.length > 1) ledger.report(2, `the command under ${key} was taken ${taken.length} times`)
  }
  for (const call of ledger.calls) checkCall(ledger, call, found)
}

function checkCall(ledger: Ledger, call: Call, found: Found): void {
  const { id, to, key, deadline, ended } = call
  const what = `call ${id} (${call.type} to ${to})`
  const own = found.byCall.get(id) ?? []
  if (own.length > 1) ledger.report(2, `${what} was taken ${own.length} times`)
  if (ended === undefined) return
  // A frozen process learns of its deadline when it thaws.
  if (!call.caller.frozenOnce && ended.at > deadline + LATE_MS)
    ledger.report(8, `${what} ended ${Math.round(ended.at - deadline)} ms late`)
  const { outcome, records } = ended
  const [taken] = key === undefined ? own : (found.byKey.get(`${to} ${key}`) ?? [])
  const command = taken?.step.command
  const known = command && found.answers.get(`${to} ${askIdOf(command)}`)
  const recorded = known !== undefined && known.at < records ? known.answer : undefined
  if (outcome.ok) {
    if (recorded === undefined) ledger.report(1, `${what} was told a value that is not in the log`)
    else if (!isValue(recorded, outcome.value)) ledger.report(1, `${what} was told another value than the log has`)
    return
  }
  const { code } = outcome
  if (RECORDED.has(code) && (recorded === undefined || recorded.ok || recorded.error.code !== code)) {
    ledger.report(7, `${what} was told ${code}, which is not in the log`)
  }
  if (ENDS.has(code) && (found.ended.get(to) ?? Infinity) >= records) {
    ledger.report(7, `${what} was told ${code} of an actor that has not ended`)
  }
  if (code === 'Timeout' && recorded === undefined && ended.at < deadline - LATE_MS) {
    ledger.report(8, `${what} was told Timeout ${Math.round(deadline - ended.at)} ms before its deadline`)
  }
  const applied = own.some(({ step }) => step.outcome === 'applied')
  if (outcome.applied === 'no' && applied) ledger.report(1, `${what} was told ${code}, not applied, and was applied`)
}

function isValue(answer: Answer, told: unknown): boolean {
  return answer.ok && canonical(answer.value) === canonical(told === undefined ? null : encode(told))
}

function commandsIn(ledger: Ledger): Found {
  const byCall = new Map<string, Taken[]>()
  const byKey = new Map<string, Taken[]>()
  const answers = new Map<string, { answer: Answer; at: number }>()
  const ended = new Map<string, number>()
  for (const [at, { record }] of ledger.records.entries()) {
    const { actor } = record
    for (const step of record.steps) {
      const { causation } = step.cause
      if (step.input.kind === 'operator' && step.input.reason !== undefined) {
        note(byCall, step.input.reason, { step, at })
      }
      if (step.input.kind === 'message' && causation.startsWith(CLIENT)) {
        note(byCall, causation.slice(CLIENT.length), { step, at })
        if (step.command?.key !== undefined) note(byKey, `${actor} ${step.command.key}`, { step, at })
      }
      for (const { ask, answer } of answersIn(step, stepId(actor, record.epoch, step.seq)))
        answers.set(`${actor} ${ask}`, { answer, at })
      if (endsActor(step)) ended.set(actor, at)
    }
  }
  return { byCall, byKey, answers, ended }
}

function note(map: Map<string, Taken[]>, name: string, taken: Taken): void {
  const list = map.get(name)
  if (list === undefined) map.set(name, [taken])
  else list.push(taken)
}
