/** `troupe spending`: what models were asked and what that took, by model, actor, tree or trace, from the log. */
import { type Spending, type Spent, spendingOf } from '@troupe/telemetry'
import { Command, Option } from 'commander'
import { withLog } from '../open-log.ts'
import { type ReadOptions, readOptions } from '../options.ts'
import { answer, envelope, shortId, table } from '../output.ts'

const LISTS = { model: 'models', actor: 'actors', tree: 'trees', trace: 'traces' } as const
type By = keyof typeof LISTS

interface SpendingOptions extends ReadOptions {
  readonly by: By
  readonly actor?: string
}

export function spendingCommand(): Command {
  return readOptions(new Command('spending'))
    .description('what models were asked, and what it took: calls, tokens, recorded costs')
    .addOption(
      new Option('--by <what>', 'the model; the actor that asked; every actor it asked for (tree); the trace')
        .choices(Object.keys(LISTS))
        .default('model'),
    )
    .option('--actor <address>', 'only what was asked for this actor (type/key), directly or through others')
    .action(spending)
}

function spending({ by, actor, json, ...options }: SpendingOptions): Promise<void> {
  return withLog(options, async (log) => {
    const { index, state } = await log.index()
    const found = spendingOf(index.withEvidence(), { actor })
    const items = found[LISTS[by]]
    const said = { ...envelope('Spending', state, items), by, total: found.total }
    answer(json, said, state, () => lines(found, by))
    if (!json && items.length === 0) process.stderr.write(`no model was asked${actor ? ` for '${actor}'` : ''}\n`)
  })
}

const HEAD = ['CALLS', 'FAILED', 'PROMPT', 'COMPLETION', 'NO TOKENS', 'USD']

function lines(found: Spending, by: By): string[] {
  const { total } = found
  const rows = found[LISTS[by]].map(({ name, ...spent }) => [...figures(spent), by === 'trace' ? shortId(name) : name])
  if (rows.length === 0) return []
  const unseen = `and ${total.unseen} spans or tries that the log only counts: model calls may be among them`
  return [
    ...table([...HEAD, by.toUpperCase()], [...rows, [...figures(total), 'in all, each call once']]),
    ...(total.unseen > 0 ? [unseen] : []),
  ]
}

function figures({ calls, failed, promptTokens, completionTokens, withoutUsage, ...cost }: Spent): string[] {
  return [...[calls, failed, promptTokens, completionTokens, withoutUsage].map(String), costText(calls, cost)]
}

function costText(calls: number, { costUsd, withoutPrice }: Pick<Spent, 'costUsd' | 'withoutPrice'>): string {
  if (withoutPrice === calls) return 'without a price'
  const known = Number(costUsd.toPrecision(6)).toString()
  return withoutPrice === 0 ? known : `${known}, ${withoutPrice} without a price`
}
