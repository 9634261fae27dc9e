/** Replay reports as text: what differs, the likely class of cause, and what to do about it. */
import {
  type Difference,
  differences,
  type Frame,
  type ReplayDivergence,
  type ReplayReport,
  type ReplaySummary,
} from '@troupe/core/replay'
import { count } from './output.ts'

const SHOWN_PLACES = 5
const SHOWN_CHARACTERS = 160

const CAUSES: { readonly [cause in ReplayDivergence['cause']]: { readonly means: string; readonly todo: string } } = {
  'code-changed': {
    means:
      'the machine is the recorded one, but its code gives another result: an action, guard or mapper has changed, or draws chance that is not recorded (crypto.getRandomValues, performance.now, a variable outside)',
    todo: 'compare the code of that step with the version that recorded it; take chance and time from Math.random, crypto.randomUUID and Date, which are recorded',
  },
  'machine-changed': {
    means: 'the definition of the machine is not the recorded one',
    todo: 'replay with the code of then (git), or give the definition a new `version` with `upgrade` and `upgradeEvent`',
  },
  'unrecorded-entropy': {
    means: 'the step drew another number of random values than it had recorded',
    todo: 'look for a Math.random or crypto.randomUUID that was added, removed or made conditional',
  },
  'missing-steps': {
    means: 'steps between two records are not in the log',
    todo: 'stop all nodes; restore the stream from a backup',
  },
  'log-damaged': {
    means: 'the records contradict each other, whatever the code: one is missing, altered or unreadable',
    todo: 'stop all nodes; restore the stream from a backup',
  },
}

export function reportText(report: ReplayReport): string[] {
  const { actor, steps, appends, epochs, mismatches, unchecked, upgraded, complete, firstStep, divergence } = report
  const from = complete ? '' : ` from step ${firstStep} on (its retention has removed those before)`
  const what = `${actor}: ${count(steps, 'step')}${from} in ${count(appends, 'append')}, ${count(epochs, 'epoch')}`
  if (divergence === undefined) return [`${what}: every state hash matched${upgradedText(upgraded)}`]
  const left = unchecked === 0 ? '' : `, ${unchecked} could not be judged`
  return [
    `${what}: ${count(mismatches, 'append')} differ${mismatches === 1 ? 's' : ''}${left}`,
    ...divergenceText(divergence),
  ]
}

/** Those have no hash to match. */
function upgradedText(appends: number): string {
  return appends === 0 ? '' : `; ${count(appends, 'append')} of an older version went through its upgrades`
}

export function summaryText(summary: ReplaySummary): string[] {
  const { actors, skipped, steps, appends, mismatches, unchecked, upgraded } = summary
  const left = unchecked === 0 ? '' : `, ${count(unchecked, 'append')} could not be judged`
  const verdict =
    mismatches + unchecked === 0
      ? `every state hash matched${upgradedText(upgraded)}`
      : `${mismatches} mismatches${left}`
  return [
    ...actors.filter((report) => report.divergence !== undefined).flatMap(reportText),
    ...skipped.map((one) => `skipped ${count(one.actors, 'actor')} of type ${one.type}: ${one.reason}`),
    `${count(actors.length, 'actor')}, ${count(steps, 'step')}, ${count(appends, 'append')}: ${verdict}`,
  ]
}

export function frameText({ id, step, before, after, divergence }: Frame): string[] {
  const event = 'event' in step.input ? ` ${JSON.stringify(step.input.event)}` : ''
  return [
    `${id}  ${step.input.kind}${event}  ${step.outcome}`,
    `before  ${JSON.stringify(before ?? null)}`,
    `after   ${JSON.stringify(after ?? null)}`,
    ...(step.made === undefined ? [] : [`made    ${JSON.stringify(step.made)}`]),
    ...(step.error === undefined ? [] : [`error   ${step.error.code}: ${step.error.message}`]),
    ...(divergence === undefined ? [] : divergenceText(divergence)),
  ]
}

export function divergenceText(divergence: ReplayDivergence): string[] {
  const { step, position, event, cause, expected, actual, recordedBy } = divergence
  const { means, todo } = CAUSES[cause]
  return [
    `diverged at ${step}${event === undefined ? '' : `, event '${event}'`} (journal position ${position})`,
    ...differences(expected, actual, SHOWN_PLACES).map((place) => `  differs   ${differenceText(place)}`),
    `  cause     ${cause}: ${means}`,
    ...(recordedBy === undefined
      ? []
      : [
          `  recorded  on ${recordedBy.node} with troupe ${recordedBy.runtime}, xstate ${recordedBy.xstate}, node ${recordedBy.nodejs}`,
        ]),
    `  to do     ${todo}`,
  ]
}

function differenceText({ path, expected, actual }: Difference): string {
  return `${path}: recorded ${valueText(expected)}, now ${valueText(actual)}`
}

function valueText(value: Difference['expected']): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value)
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS)}…`
}
