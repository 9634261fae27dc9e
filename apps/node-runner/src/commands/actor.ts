/** `troupe actor ls|show`: actors as the log knows them, with no node asked; `actor tree` asks the nodes, `actor start|restart|reset|destroy` orders. */
import { type Address, readClusterTree, realClock, splitAddress, storedKeys } from '@troupe/core'
import { type Activation, type ActorState, decodeRecord, SealReader } from '@troupe/core/replay'
import { Command } from 'commander'
import { clusterText } from '../cluster-text.ts'
import { type OpenLog, withLog } from '../open-log.ts'
import { operatorSystem } from '../operator-system.ts'
import { type ReadOptions, readOptions } from '../options.ts'
import { API_VERSION, answer, envelope, print, table, timeText } from '../output.ts'
import { EXIT, Problem } from '../problem.ts'

interface ListOptions extends ReadOptions {
  readonly type?: string
}

interface Shown {
  readonly actor: string
  readonly seq: number
  readonly epoch: number
  readonly open: { readonly asks: number; readonly effects: number; readonly timers: number; readonly sends: number }
  /** The newest state that the log holds as a whole; the actor may be a few steps on (`seq`). */
  readonly state?: ActorState
  readonly activated?: Activation
}

export function actorCommand(): Command {
  const actor = new Command('actor').description('actors, from the log and from the nodes')
  readOptions(actor.command('ls')).description('all actors').option('--type <type>', 'those of one type').action(list)
  readOptions(actor.command('show'))
    .description('the newest recorded state of one')
    .argument('<address>', 'type/key')
    .action(show)
  readOptions(actor.command('tree')).description('nodes, shards, actors in memory and their children, now').action(tree)
  for (const kind of ORDERS) {
    const command = readOptions(actor.command(kind))
    if (kind === 'destroy') command.option('--erase', 'destroy the key of its log as well: for encrypted types')
    command
      .description(WHAT[kind])
      .argument('<address>', 'type/key')
      .option('--reason <text>', 'for whoever reads the log')
      .action((address: string, options: OrderOptions) => order(kind, address, options))
  }
  return actor
}

const ORDERS = ['start', 'restart', 'reset', 'destroy'] as const
const WHAT = {
  start: 'bring a stopped or quarantined one back; a new life for one that is done or destroyed',
  restart: 'as start, and one that has not ended begins its effects again',
  reset: 'make its state anew',
  destroy: 'end it for good; its log stays, its address is free again in 30 days',
} as const

interface OrderOptions extends ReadOptions {
  readonly reason?: string
  readonly erase?: boolean
}

function order(
  kind: (typeof ORDERS)[number],
  text: string,
  { json, reason, erase, ...options }: OrderOptions,
): Promise<void> {
  return withLog(options, async ({ connection }) => {
    const address = addressIn(text)
    await using system = await operatorSystem(connection)
    const why = reason === undefined ? {} : { reason }
    if (kind === 'destroy') await system.destroy({ address }, { ...why, erase: erase === true })
    else await system[kind]({ address }, why)
    print(
      json
        ? JSON.stringify({ apiVersion: API_VERSION, kind: 'ActorOrder', items: [{ actor: address, order: kind }] })
        : `${address}  ${kind}`,
    )
  })
}

function list({ type, json, ...options }: ListOptions): Promise<void> {
  return withLog(options, async (log) => {
    const { index, state } = await log.index()
    const actors = index.actors(type)
    answer(json, envelope('ActorList', state, actors), state, () =>
      table(
        ['ACTOR', 'STEPS', 'EPOCH', 'NODE', 'TROUBLES', 'LAST STEP', 'STATUS'],
        actors.map(({ actor, seq, epoch, node = '?', troubles, lastAt, ended = 'active' }) => {
          return [actor, String(seq), String(epoch), node, String(troubles), timeText(lastAt), ended]
        }),
      ),
    )
  })
}

function show(text: string, { json, ...options }: ReadOptions): Promise<void> {
  return withLog(options, async (log) => {
    const shown = await newestOf(log, addressIn(text))
    const { state } = await log.index()
    answer(json, envelope('Actor', state, [shown]), state, () => shownText(shown))
  })
}

function tree({ json, ...options }: ReadOptions): Promise<void> {
  return withLog(options, async (log) => {
    const { nodes, missing } = await readClusterTree(log.connection, log.subjects, realClock())
    const { state } = await log.index()
    const found = envelope('ActorTree', state, nodes, missing.length === 0)
    answer(json, { ...found, missingNodes: missing }, state, () => clusterText(nodes))
    if (nodes.length === 0 && missing.length === 0) process.stderr.write('no node is running\n')
    if (missing.length === 0) return
    process.stderr.write(`warning: no answer from ${missing.join(', ')}\n`)
    process.exitCode = EXIT.partial
  })
}

/** @throws InvalidAddress */
export function addressIn(text: string): Address {
  const { type, key } = splitAddress(text)
  return `${type}/${key}`
}

export function unknownActor(address: string): Problem {
  return new Problem({
    code: 'NoActor',
    exit: 'notFound',
    what: `the log has no actor '${address}'`,
    likely: 'a typing error, another run or namespace, or a volatile actor: those leave no log',
    fix: 'troupe actor ls',
  })
}

async function newestOf({ connection, subjects }: OpenLog, address: Address): Promise<Shown> {
  const pattern = subjects.history(address)
  for await (const head of connection.journal.heads(pattern)) {
    const sealed = new SealReader(storedKeys(connection.store))
    const stored = decodeRecord(head.bytes, address)
    await sealed.prepare(stored)
    const { epoch, open, steps, base, state, activated } = sealed.open(stored) ?? stored
    const whole = base === 0 ? state : await stateAt({ connection, subjects }, address, base, sealed)
    const seq = steps.at(-1)?.seq ?? whole?.seq ?? 0
    return { actor: address, seq, epoch, open, ...(whole && { state: whole }), ...(activated && { activated }) }
  }
  throw unknownActor(address)
}

async function stateAt(
  { connection, subjects }: Pick<OpenLog, 'connection' | 'subjects'>,
  address: Address,
  position: number,
  sealed: SealReader,
): Promise<ActorState | undefined> {
  for await (const entry of connection.journal.read(subjects.history(address), { from: position })) {
    return sealed.open(decodeRecord(entry.bytes, address))?.state
  }
  return undefined
}

function shownText({ actor, seq, epoch, open, state }: Shown): string[] {
  const life = state?.settlement.life
  const behind = state === undefined || state.seq === seq ? '' : ` (state as of step ${state.seq})`
  return [
    `${actor}  ${life?.kind ?? 'unknown'}, ${seq} steps${behind}, epoch ${epoch}`,
    `open: ${open.asks} asks, ${open.effects} effects, ${open.timers} timers, ${open.sends} sends`,
    ...(life?.kind === 'quarantined' ? [`quarantined: ${life.reason}`] : []),
    ...(state?.host === undefined ? [] : [JSON.stringify(state.host.tree.snap, null, 2)]),
  ]
}
