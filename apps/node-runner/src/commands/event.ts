/** `troupe event ls|tail`: the steps of the log in the order of their commits. */
import { type EventFilter, eventsOf, type LoggedEvent, type WriterNodes } from '@troupe/telemetry'
import { Command } from 'commander'
import { type OpenLog, withLog } from '../open-log.ts'
import { type ReadOptions, readOptions, time, wholeNumber } from '../options.ts'
import { answer, envelope, print, shortId, timeText } from '../output.ts'

interface EventOptions extends ReadOptions, Pick<EventFilter, 'actor' | 'type' | 'event' | 'correlation'> {
  readonly since?: number
  readonly until?: number
  readonly limit: number
}

interface TailOptions extends EventOptions {
  readonly follow?: boolean
}

export function eventCommand(): Command {
  const event = new Command('event').description('committed steps of the causal log')
  filtered(event.command('ls'), 'the first steps, or those from --since on', 100).action(list)
  filtered(event.command('tail'), 'the last steps', 20)
    .option('-f, --follow', 'go on with new ones until interrupted')
    .action(tail)
  return event
}

function filtered(command: Command, description: string, limit: number): Command {
  return readOptions(command.description(description))
    .option('--actor <address>', 'steps of one actor (type/key)')
    .option('--type <type>', 'steps of actors of one type')
    .option('--event <type>', 'steps that took an event of this type')
    .option('--correlation <id>', 'steps of one trace')
    .option('--since <time>', 'not before (ISO time)', time)
    .option('--until <time>', 'not after (ISO time)', time)
    .option('--limit <n>', 'how many', wholeNumber, limit)
}

function list({ limit, json, ...options }: EventOptions): Promise<void> {
  return withLog(options, async (log) => {
    const { index, state } = await log.index()
    const events = index.events({ ...filterOf(options), limit })
    answer(json, envelope('EventList', state, events), state, () => events.map(eventText))
    if (!json && events.length === 0) sayNone(options)
  })
}

function tail({ limit, json, follow, ...options }: TailOptions): Promise<void> {
  return withLog(options, async (log) => {
    const { index, state } = await log.index()
    const events = index.events({ ...filterOf(options), last: limit })
    answer(json, envelope('EventList', state, events), state, () => events.map(eventText))
    if (!json && events.length === 0) sayNone(options)
    if (follow) await goOn(log, index.writers, state.position + 1, json, options)
  })
}

/** Nothing at all looks like a command that failed; an empty list of JSON speaks for itself. */
function sayNone({ actor }: EventFilter): void {
  process.stderr.write(actor === undefined ? 'there are no such events\n' : `there are no such events of '${actor}'\n`)
}

/** New steps, a line each (with `--json` one object a line), until SIGINT. */
async function goOn(
  log: OpenLog,
  nodes: WriterNodes,
  from: number,
  json: boolean | undefined,
  wanted: EventFilter,
): Promise<void> {
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  const { journal } = log.connection
  for await (const entry of journal.follow(log.subjects.journals(), { from, signal: stop.signal })) {
    for (const event of eventsOf(entry, nodes)) {
      if (matches(event, wanted)) print(json ? JSON.stringify(event) : eventText(event))
    }
  }
}

function matches(event: LoggedEvent, { actor, type, event: taken, correlation, since, until }: EventFilter): boolean {
  const fits = (wanted: string | undefined, is: string) => wanted === undefined || wanted === is
  const named = fits(actor, event.actor) && fits(type, event.type) && fits(taken, event.event)
  const inTime = event.at >= (since ?? 0) && event.at <= (until ?? Number.POSITIVE_INFINITY)
  return named && inTime && fits(correlation, event.correlation)
}

function filterOf({ actor, type, event, correlation, since, until }: Omit<EventOptions, 'limit'>): EventFilter {
  return {
    ...(actor !== undefined && { actor }),
    ...(type !== undefined && { type }),
    ...(event !== undefined && { event }),
    ...(correlation !== undefined && { correlation }),
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
  }
}

function eventText({ at, id, kind, event, outcome, effect, error, correlation, ended }: LoggedEvent): string {
  const what = kind === 'message' ? event : effect === undefined ? kind : `${kind} ${effect.name}`
  const how = outcome === 'applied' ? '' : `  ! ${error ?? outcome}`
  return `${timeText(at)}  ${shortId(correlation)}  ${id}  ${what}${ended === undefined ? '' : ` (${ended})`}${how}`
}
