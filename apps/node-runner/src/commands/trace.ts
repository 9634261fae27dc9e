/** `troupe trace ls|show|export`: what led to what, across actors, nodes and the language border. */
import { Command, Option } from 'commander'
import { withLog } from '../open-log.ts'
import { type ReadOptions, readOptions, wholeNumber } from '../options.ts'
import { answer, envelope, shortId, table, timeText } from '../output.ts'
import { Problem } from '../problem.ts'
import { treeText } from '../tree-text.ts'
import { exportOptions } from './trace-export.ts'

interface ListOptions extends ReadOptions {
  readonly limit: number
}

interface ShowOptions extends ReadOptions {
  readonly format: 'tree' | 'json'
  readonly nodes: number
  readonly depth: number
  readonly strict?: boolean
}

export function traceCommand(): Command {
  const trace = new Command('trace').description('causal traces of what happened')
  readOptions(trace.command('ls'))
    .description('the newest traces')
    .option('--limit <n>', 'how many', wholeNumber, 20)
    .action(list)
  readOptions(trace.command('show'))
    .description('one trace as a tree')
    .argument('<id>', 'a correlation, or the beginning of one or of the id of a step (type/key#epoch:seq)')
    .addOption(new Option('--format <format>', 'how it is printed').choices(['tree', 'json']).default('tree'))
    .option('--nodes <n>', 'at most so many nodes', wholeNumber, 2_000)
    .option('--depth <n>', 'at most so deep', wholeNumber, 256)
    .option('--strict', 'every step under its direct cause, also where an actor goes on by itself')
    .action(show)
  exportOptions(trace.command('export'))
  return trace
}

function list(options: ListOptions): Promise<void> {
  return withLog(options, async (log) => {
    const { index, state } = await log.index()
    const traces = index.traces(options.limit)
    answer(options.json, envelope('TraceList', state, traces), state, () =>
      table(
        ['TRACE', 'STARTED', 'MS', 'EVENTS', 'ACTORS', 'TROUBLES', 'ROOT'],
        traces.map(({ correlation, firstAt, lastAt, events, actors, troubles, root }) => [
          shortId(correlation),
          timeText(firstAt),
          String(lastAt - firstAt),
          String(events),
          String(actors),
          String(troubles),
          `${root.actor} ${root.event}`,
        ]),
      ),
    )
  })
}

function show(id: string, options: ShowOptions): Promise<void> {
  return withLog(options, async (log) => {
    const { index, state } = await log.index()
    const [correlation, ...others] = index.tracesOf(id)
    if (correlation === undefined) {
      const what = `nothing in the log has a correlation or a step id that begins with '${id}'`
      throw new Problem({ code: 'NoTrace', exit: 'notFound', what, fix: 'troupe trace ls' })
    }
    if (others.length > 0) {
      const what = `'${id}' means ${others.length + 1} traces or more: ${[correlation, ...others].join(', ')}`
      throw new Problem({ code: 'Ambiguous', exit: 'usage', what, fix: 'give more of the id' })
    }
    const { nodes: maxNodes, depth: maxDepth, strict = false } = options
    const tree = index.getTraceTree(correlation, { maxNodes, maxDepth, strict })
    const json = options.json === true || options.format === 'json'
    const found = envelope('Trace', state, tree === undefined ? [] : [tree])
    answer(json, found, state, () => (tree === undefined ? [] : treeText(tree)))
  })
}
