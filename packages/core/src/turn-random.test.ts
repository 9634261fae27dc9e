/** The promises of the turn under faults in every order: exact commands, exact sends, one log that tells it all. */
import { describe, expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { type AnyActorDef, defineActor } from './actor.ts'
import { hashOfBytes } from './codec.ts'
import { effect } from './effect.ts'
import { seededEntropy } from './entropy.ts'
import { Fold } from './fold.ts'
import { logicHash } from './logic-hash.ts'
import { protocol } from './protocol.ts'
import { encodeRecord } from './step.ts'
import { type Random, randomOf } from './testing/random-data.ts'
import type { Fault } from './testing/scripted-journal.ts'
import { Stage, type Told, type World, world } from './testing/stage.ts'

const none = z.object({})
const noteSays = protocol('note', { events: { write: z.object({ n: z.number() }) } })
const says = protocol('till', {
  events: { add: none, work: none, fail: none, tell: none, grow: z.object({ size: z.number() }) },
  replies: { add: z.number(), work: z.number() },
})

/** `add` and `work` answer with the count they made: applied once each, the answers are 1, 2, 3, … */
function till(finish: (() => void)[]): AnyActorDef {
  const work = effect('work', 'idempotent', () => new Promise<void>((done) => finish.push(done)))
  return defineActor(says, {
    supervision: { intensity: 10_000, backoffMs: [10, 10] },
    logic: setup({
      types: says.types<{ n: number; text: string }>(),
      actors: { work },
      actions: { count: assign({ n: ({ context }) => context.n + 1 }) },
    }).createMachine({
      context: { n: 0, text: '' },
      type: 'parallel',
      states: {
        desk: {
          on: {
            add: { actions: ['count', says.reply('add', ({ context }) => context.n)] },
            tell: { actions: noteSays.sendTo('book', ({ context }) => ({ type: 'write', n: context.n })) },
            grow: { actions: assign({ text: ({ event }) => 'x'.repeat(event.size) }) },
            fail: {
              actions: assign(() => {
                throw new Error('on purpose')
              }),
            },
          },
        },
        worker: {
          initial: 'idle',
          states: {
            idle: { on: { work: 'busy' } },
            busy: {
              invoke: {
                src: 'work',
                input: {},
                onDone: { target: 'idle', actions: ['count', says.reply('work', ({ context }) => context.n)] },
              },
            },
          },
        },
      },
    }),
  })
}

interface Command {
  readonly n: number
  readonly event: { readonly type: string; readonly size?: number }
  answer?: unknown
}

/** One client, its commands, and whatever incarnations of the actor there are. */
class History {
  readonly commands: Command[] = []
  readonly stages: Stage[] = []
  readonly finish: (() => void)[] = []
  readonly def = till(this.finish)
  readonly #asked: { readonly command: Command; readonly told: Told }[] = []
  readonly #random: Random
  readonly #here: World
  #epoch = 0

  constructor(random: Random, here: World) {
    this.#random = random
    this.#here = here
  }

  async activate(): Promise<Stage> {
    const stage = new Stage({ def: this.def, ...this.#here, epoch: ++this.#epoch })
    this.stages.push(stage)
    return stage.activate()
  }

  get newest(): Stage {
    const stage = this.stages.at(-1)
    if (stage === undefined) throw new Error('nothing is activated')
    return stage
  }

  ask(command: Command): void {
    const open = this.commands.filter(({ answer }) => answer === undefined).map(({ n }) => n)
    const settled = Math.min(command.n, ...open) - 1
    const stage = this.#random.int(5) > 0 ? this.newest : this.#random.pick(this.stages)
    const told = stage.ask({ ...command.event }, { command: { client: 'c', n: command.n, settled } })
    this.#asked.push({ command, told })
  }

  /** Takes what was answered; a command that is answered twice must be answered the same. */
  listen(): void {
    for (const { command, told } of this.#asked) {
      for (const answer of told.answers) {
        const told = answer.ok ? (answer.value ?? null) : answer.error.code
        if (told === 'Moved' || told === 'SystemStopped' || told === 'LogUnavailable') continue
        // A copy that arrived after its client had settled: its client has the answer already.
        if (told === 'Timeout' && command.answer !== undefined) continue
        if (command.answer === undefined) command.answer = told
        expect(told).toEqual(command.answer)
      }
    }
  }

  fault(): Fault {
    return this.#random.pick<Fault>(['lost', 'lost', 'dropped', async () => ({ kind: 'conflict' }), 'refused'])
  }
}

describe('a random history of commands, copies, faults, crashes and takeovers', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('seed %i', async (seed) => {
    const random = randomOf(seededEntropy(seed))
    const here = await world()
    const history = new History(random, here)
    await history.activate()
    const now = () => history.newest
    for (let i = 0; i < 250; i++) {
      switch (random.int(12)) {
        case 0:
          now().journal.script.push(history.fault())
          break
        case 1:
          await history.activate() // the one before lives on, and does not know
          break
        case 2:
          now().resident.stop()
          await history.activate()
          break
        case 3:
          await Promise.race([now().resident.drain(), now().advance(20_000)])
          await history.activate()
          break
        case 4:
          history.finish.shift()?.()
          break
        case 5:
          for (const { sends } of history.stages) for (const { done } of sends) if (random.int(2) === 0) done(true)
          break
        case 6:
        case 7: {
          const again = history.commands.filter(({ answer }) => answer === undefined || random.int(8) === 0)
          if (again.length > 0) history.ask(random.pick(again))
          break
        }
        default: {
          const type = random.pick(['add', 'add', 'add', 'work', 'fail', 'tell', 'grow'])
          const event = type === 'grow' ? { type, size: random.pick([10, 6_000]) } : { type }
          const command: Command = { n: history.commands.length + 1, event }
          history.commands.push(command)
          for (let copies = 1 + random.int(2); copies > 0; copies--) history.ask(command)
        }
      }
      if (random.int(2) === 0) await now().advance(random.int(1_500))
      history.listen()
    }
    // The network heals: everything is asked until it is answered.
    let last = await history.activate()
    // What the one before had in flight may come first; its node would try again.
    while (last.lost !== undefined) last = await history.activate()
    for (let round = 0; round < 40; round++) {
      for (const command of history.commands) if (command.answer === undefined) history.ask(command)
      await last.advance(2_000)
      for (const done of history.finish.splice(0)) done()
      await last.quiet()
      history.listen()
    }

    const answers = history.commands.flatMap(({ event, answer }) =>
      event.type === 'add' || event.type === 'work' ? [answer] : [],
    )
    const counts = answers.filter((answer) => typeof answer === 'number').sort((a, b) => a - b)
    expect(counts).toEqual(counts.map((_, i) => i + 1))
    expect(await last.context()).toMatchObject({ n: counts.length })
    expect(history.commands.filter(({ answer }) => answer === undefined)).toEqual([])
    for (const { event, answer } of history.commands) {
      if (event.type === 'fail') expect(answer).toBe('ActorFailed')
      if (event.type === 'tell' || event.type === 'grow') expect(answer).toBe(null)
      if (event.type === 'work') expect([expect.any(Number), 'EventNotAccepted']).toContainEqual(answer)
    }

    // The log alone tells the same: one chain, gap-free, folded to every hash.
    const fold = new Fold(last.address, history.def, logicHash(history.def))
    let prev = ''
    for (const record of await last.records()) {
      expect(record.prev).toBe(prev)
      prev = hashOfBytes(encodeRecord(record))
      expect(fold.apply(record)).toBeUndefined()
    }
    expect(fold.view()?.context).toMatchObject({ n: counts.length })

    // Sends: one number, one message.
    const sent = new Map<number, string>()
    for (const { n, to, event } of history.stages.flatMap(({ sends }) => sends)) {
      const message = JSON.stringify({ to, event })
      expect(sent.get(n) ?? message).toBe(message)
      sent.set(n, message)
    }
    const told = history.commands.filter(({ event }) => event.type === 'tell').length
    expect([...sent.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: told }, (_, i) => i + 1))
  })
})
