/** `troupe dead list|redrive`: letters that no actor has taken, why, and how they are delivered again. */
import { type ListedDeadLetter, type System, TroupeError } from '@troupe/core'
import { Command } from 'commander'
import { withLog } from '../open-log.ts'
import { operatorSystem } from '../operator-system.ts'
import { type ReadOptions, readOptions, wholeNumber } from '../options.ts'
import { API_VERSION, count, print, table, timeText } from '../output.ts'
import { EXIT, Problem } from '../problem.ts'

interface DeadOptions extends ReadOptions {
  readonly type?: string
}

interface Redriven {
  readonly id: number
  readonly actor: string
  /** `gone`: somebody else has taken it off the list meanwhile. */
  readonly result: 'delivered' | 'gone' | 'refused'
  readonly why?: string
}

export function deadCommand(): Command {
  const dead = new Command('dead').description('letters that no actor has taken')
  readOptions(dead.command('list').alias('ls'))
    .description('all of them, the oldest first')
    .option('--type <type>', 'those to actors of one type')
    .action(list)
  readOptions(dead.command('redrive'))
    .description('deliver their events again, and take them off the list')
    .argument('[id]', 'one, as `troupe dead list` names it', wholeNumber)
    .option('--type <type>', 'all to actors of one type')
    .action(redrive)
  return dead
}

function list({ type, json, ...options }: DeadOptions): Promise<void> {
  return withLog(options, async ({ connection }) => {
    await using system = await operatorSystem(connection)
    const letters = await listed(system, type)
    if (json) return printed('DeadLetterList', letters.map(asItem))
    for (const line of table(['ID', 'DIED', 'ATTEMPTS', 'ACTOR', 'EVENT', 'REASON'], letters.map(row))) print(line)
    if (letters.length === 0) process.stderr.write('there are no dead letters\n')
  })
}

function redrive(id: number | undefined, { type, json, ...options }: DeadOptions): Promise<void> {
  if ((id === undefined) === (type === undefined)) {
    const what = 'either the id of one dead letter or --type is needed, and not both'
    throw new Problem({ code: 'Usage', exit: 'usage', what, fix: 'troupe dead list' })
  }
  return withLog(options, async ({ connection }) => {
    await using system = await operatorSystem(connection)
    // All are read before the first is delivered: one that dies again is not taken up again.
    const letters = (await listed(system, type)).filter(({ position }) => id === undefined || position === id)
    if (id !== undefined && letters.length === 0) throw unknownLetter(id)
    const results: Redriven[] = []
    for (const letter of letters) results.push(await redriveOne(system, letter))
    if (json) printed('DeadLetterRedrive', results)
    else for (const { id, actor, result, why } of results) print(`${id}  ${actor}  ${result}${why ? `: ${why}` : ''}`)
    if (letters.length === 0) process.stderr.write(`there are no dead letters to actors of type '${type}'\n`)
    const refused = results.filter(({ result }) => result === 'refused').length
    if (refused === 0) return
    process.stderr.write(`warning: ${count(refused, 'letter')} could not be delivered again and stayed\n`)
    process.exitCode = refused === results.length ? EXIT.refused : EXIT.partial
  })
}

async function redriveOne(system: System, letter: ListedDeadLetter): Promise<Redriven> {
  const about = { id: letter.position, actor: letter.to }
  try {
    return { ...about, result: (await system.redrive(letter)) ? 'delivered' : 'gone' }
  } catch (error) {
    // What is wrong with this letter says nothing about the next one; a lost server does.
    if (!(error instanceof TroupeError) || error.retryable) throw error
    return { ...about, result: 'refused', why: error.message }
  }
}

async function listed(system: System, type: string | undefined): Promise<ListedDeadLetter[]> {
  const letters: ListedDeadLetter[] = []
  for await (const letter of system.deadLetters(type)) letters.push(letter)
  return letters
}

function printed(kind: string, items: readonly object[]): void {
  print(JSON.stringify({ apiVersion: API_VERSION, kind, items }))
}

const asItem = ({ position, to, ...letter }: ListedDeadLetter): object => ({ id: position, actor: to, ...letter })

const row = ({ position, at, attempts, to, event, reason, message }: ListedDeadLetter): string[] => {
  return [String(position), timeText(at), String(attempts), to, eventText(event), `${reason}: ${message}`]
}

function eventText(event: ListedDeadLetter['event']): string {
  if (event === undefined) return '(not kept)'
  return typeof event === 'object' && event !== null && 'type' in event ? String(event['type']) : '?'
}

function unknownLetter(id: number): Problem {
  return new Problem({
    code: 'NoDeadLetter',
    exit: 'notFound',
    what: `there is no dead letter ${id}`,
    likely: 'it was delivered again, or it lies in another namespace',
    fix: 'troupe dead list',
  })
}
