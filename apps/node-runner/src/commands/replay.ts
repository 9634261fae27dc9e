/**
 * `troupe replay <actor>`: folds the recorded steps through today's code and compares every append. Exit code 6 when one differs.
 */
import { type AnyActorDef, splitAddress, storedKeys } from '@troupe/core'
import { frames, type ReplaySummary, replayActor, replayAll } from '@troupe/core/replay'
import { Command } from 'commander'
import { loadActors } from '../entry.ts'
import { type OpenLog, withLog } from '../open-log.ts'
import { type ReadOptions, readOptions, wholeNumber } from '../options.ts'
import { answer, envelope } from '../output.ts'
import { EXIT, Problem } from '../problem.ts'
import { frameText, reportText, summaryText } from '../replay-text.ts'
import { addressIn, unknownActor } from './actor.ts'

interface ReplayOptions extends ReadOptions {
  readonly all?: boolean
  readonly entry?: string
  readonly at?: number
}

export function replayCommand(): Command {
  return readOptions(new Command('replay'))
    .description('fold recorded steps through the code of today and compare')
    .argument('[actor]', 'address of an actor (type/key)')
    .option('--all', 'every actor of the namespace')
    .option('--entry <module>', "module that exports `actors`; else the run's")
    .option('--at <seq>', 'show the state before and after this step', wholeNumber)
    .action(replay)
}

function replay(actor: string | undefined, { json, entry, all, at, ...options }: ReplayOptions): Promise<void> {
  return withLog(options, async (log) => {
    if ((actor === undefined) === (all !== true)) {
      const what = 'give either the address of an actor or --all'
      throw new Problem({ code: 'Usage', exit: 'usage', what, fix: 'troupe actor ls' })
    }
    const defs = await loadActors(entry ?? log.run?.record.entry)
    if (actor === undefined) await everything(log, defs, json)
    else if (at === undefined) await one(log, actor, defs, json)
    else await step(log, actor, at, defs, json)
  })
}

async function everything(log: OpenLog, defs: readonly AnyActorDef[], json: boolean | undefined): Promise<void> {
  const summary = await replayAll(log.connection.journal, log.subjects, defs, storedKeys(log.connection.store))
  const { state } = await log.index()
  const whole = summary.skipped.length === 0 && summary.complete
  answer(json, envelope<ReplaySummary>('ReplaySummary', state, [summary], whole), state, () => summaryText(summary))
  if (!whole) process.exitCode = EXIT.partial
  if (summary.mismatches + summary.unchecked > 0) process.exitCode = EXIT.diverged
}

async function one(
  log: OpenLog,
  actor: string,
  defs: readonly AnyActorDef[],
  json: boolean | undefined,
): Promise<void> {
  const address = addressIn(actor)
  const report = await replayActor(
    log.connection.journal,
    log.subjects,
    address,
    definitionOf(actor, defs),
    storedKeys(log.connection.store),
  )
  if (report.appends === 0) throw unknownActor(address)
  const { state } = await log.index()
  answer(json, envelope('ReplayReport', state, [report], report.complete), state, () => reportText(report))
  if (!report.complete) process.exitCode = EXIT.partial
  if (report.mismatches + report.unchecked > 0) process.exitCode = EXIT.diverged
}

async function step(
  log: OpenLog,
  actor: string,
  seq: number,
  defs: readonly AnyActorDef[],
  json: boolean | undefined,
): Promise<void> {
  const address = addressIn(actor)
  const def = definitionOf(actor, defs)
  const keys = storedKeys(log.connection.store)
  const frame = await frames(log.connection.journal, log.subjects, address, def, keys).at(seq)
  if (frame === undefined) {
    const { complete, firstStep } = await replayActor(log.connection.journal, log.subjects, address, def, keys)
    const gone = !complete && seq < firstStep
    const what = `'${address}' has no step ${seq}${gone ? ` any more: its retention keeps them from ${firstStep} on` : ''}`
    throw new Problem({ code: 'NoStep', exit: 'notFound', what, fix: `troupe event ls --actor ${address}` })
  }
  const { state } = await log.index()
  answer(json, envelope('Frame', state, [frame]), state, () => frameText(frame))
  if (frame.divergence !== undefined) process.exitCode = EXIT.diverged
}

function definitionOf(address: string, defs: readonly AnyActorDef[]): AnyActorDef {
  const { type } = splitAddress(address)
  const def = defs.find(({ protocol }) => protocol.type === type)
  if (def !== undefined) return def
  const known = defs.map(({ protocol }) => protocol.type).join(', ')
  const what = `the entry module has no definition of type '${type}'; it has ${known || 'none'}`
  throw new Problem({ code: 'NoDefinition', exit: 'notFound', what, fix: 'name another module with --entry' })
}
