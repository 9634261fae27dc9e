/**
 * What became of every failure and of every end: invariant 16 of `ledger.ts`, on a model of its own that knows the specification
 * and the log.
 */
import type { AnyActorDef, SupervisionSpec } from '../actor.ts'
import type { Step } from '../step.ts'
import type { Ledger, Stored } from './ledger.ts'

/** What an actor that has ended still records. */
const ALWAYS: ReadonlySet<string> = new Set(['settled', 'operator'])

export function checkLife(ledger: Ledger, actor: string, log: readonly Stored[], def: AnyActorDef): void {
  const spec = def.supervision ?? {}
  let failures: number[] = []
  let childFailures: number[] = []
  let ended: string | undefined
  for (const step of log.flatMap(({ record }) => record.steps)) {
    const { input, outcome, supervision, error, at } = step
    const where = `step ${step.seq} of ${actor}`
    // A letter that comes too late is refused, in a step.
    const refused = input.kind === 'message' && outcome === 'error' && supervision === undefined
    if (ended !== undefined && !ALWAYS.has(input.kind) && !refused) {
      ledger.report(16, `${where} (${input.kind}) follows its end by ${ended}`)
    }
    if (input.kind === 'operator') {
      if (outcome !== 'applied') continue
      ended = input.order === 'destroy' ? 'destroy' : undefined
      failures = []
      childFailures = []
    }
    if (step.ended !== undefined) ended = step.ended.kind
    if (outcome !== 'error' || input.kind === 'operator') continue
    if (supervision === undefined && error?.code !== 'ActorFailed') continue
    if (supervision === undefined) {
      ledger.report(16, `${where} failed and was not answered`)
      continue
    }
    const { directive, child, escalated } = supervision
    if (child !== undefined && escalated !== true) {
      childFailures = within(spec, childFailures, at)
      if (childFailures.length > (spec.intensity ?? 3)) {
        ledger.report(16, `${where}: failure ${childFailures.length} of its children does not escalate`)
      }
      if (directive === 'quarantine') ledger.report(16, `${where}: a child's failure ends the whole actor`)
      continue
    }
    if (escalated === true && within(spec, childFailures, at).length <= (spec.intensity ?? 3)) {
      ledger.report(16, `${where}: too few failures of children escalate`)
    }
    failures = within(spec, failures, at)
    childFailures = []
    const expected = answerTo(spec, failures.length)
    if (directive !== expected)
      ledger.report(16, `${where}: failure ${failures.length} ends in ${directive}, not ${expected}`)
    if (directive === 'quarantine' || directive === 'stop') ended = directive
  }
}

/** Failures of the last period, this one included. */
function within({ periodMs = 5_000 }: SupervisionSpec, earlier: readonly number[], at: number): number[] {
  return [...earlier.filter((time) => time > at - periodMs), at]
}

function answerTo(spec: SupervisionSpec, failures: number): NonNullable<Step['supervision']>['directive'] {
  const { restart = 'permanent', intensity = 3, by = 'restart' } = spec
  if (restart === 'temporary') return 'stop'
  return failures > intensity ? 'quarantine' : by
}
