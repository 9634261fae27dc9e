/** What supervision does inside a tree. Every case is also folded by replay, checked against the schema and recovered. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { assign, fromCallback, sendTo, setup } from 'xstate'
import { z } from 'zod'
import { type ChildSpec, defineActor, type SupervisionSpec } from './actor.ts'
import { effect } from './effect.ts'
import { seededEntropy } from './entropy.ts'
import { Fold } from './fold.ts'
import { logicHash } from './logic-hash.ts'
import { protocol } from './protocol.ts'
import { ActorReplay } from './replay/actor-replay.ts'
import { shapeProblems, undescribed } from './testing/json-schema.ts'
import { randomOf } from './testing/random-data.ts'
import { Stage, world } from './testing/stage.ts'

const schema = JSON.parse(readFileSync(new URL('../schema/journal-record-v1.schema.json', import.meta.url), 'utf8'))
const says = protocol('house', {
  events: {
    tell: z.object({ room: z.enum(['a', 'b', 'c']), what: z.enum(['count', 'fail', 'ring']) }),
    ask: z.object({}),
    boom: z.object({}),
  },
  replies: { ask: z.string() },
})

interface Run {
  readonly room: string
  readonly attempt: number
  aborted: boolean
  done(value: number): void
  fail(): void
}

/** A root with the rooms a, b, c, born in this order. Each counts, keeps an effect at work and holds a bell. */
function house(
  supervision: SupervisionSpec,
  { handles = false, workClass = 'idempotent' as 'idempotent' | 'write' } = {},
) {
  const runs: Run[] = []
  const bells: string[] = []
  const work = effect('work', workClass, (_: null, { signal, effectId, attempt }) => {
    return new Promise<number>((done, reject) => {
      const run: Run = {
        room: effectId[effectId.indexOf('k') + 2] ?? '',
        attempt,
        aborted: false,
        done,
        fail: () => reject(new Error('work failed')),
      }
      runs.push(run)
      signal.addEventListener('abort', () => {
        run.aborted = true
      })
    })
  })
  const room = setup({
    types: {
      context: {} as { n: number; worked: number },
      events: {} as { type: 'count' } | { type: 'fail' } | { type: 'ring' },
      input: {} as { from: number },
    },
    actors: {
      work,
      bell: fromCallback(({ receive }) => {
        bells.push('hung')
        receive(() => bells.push('rung'))
        return () => bells.push('taken')
      }),
    },
  }).createMachine({
    context: ({ input }) => ({ n: input.from, worked: 0 }),
    invoke: [
      { src: 'work', id: 'work', input: null, onDone: { actions: assign({ worked: ({ event }) => event.output }) } },
      { src: 'bell', id: 'bell' },
    ],
    on: {
      count: { actions: assign({ n: ({ context }) => context.n + 1 }) },
      ring: { actions: sendTo('bell', { type: 'ring' }) },
      fail: {
        actions: assign(() => {
          throw new Error('the roof fell in')
        }),
      },
    },
  })
  const machine = setup({
    types: says.types<{ caught: number }, { type: 'xstate.error.actor.*' }>(),
    actors: { a: room, b: room, c: room },
  }).createMachine({
    context: { caught: 0 },
    invoke: [
      { src: 'a', id: 'a', input: { from: 0 } },
      { src: 'b', id: 'b', input: { from: 10 } },
      { src: 'c', id: 'c', input: { from: 20 } },
    ],
    on: {
      'xstate.error.actor.*': {
        guard: () => handles,
        actions: assign({ caught: ({ context }) => context.caught + 1 }),
      },
      ask: {},
      boom: {
        actions: assign(() => {
          throw new Error('boom')
        }),
      },
      tell: {
        actions: sendTo(
          ({ event }) => event.room,
          ({ event }) => ({ type: event.what }),
        ),
      },
    },
  })
  return {
    def: defineActor(says, { supervision: { backoffMs: [100, 100], ...supervision }, logic: machine }),
    runs,
    bells,
  }
}

type Said = 'count' | 'fail' | 'ring'

async function staged(...given: Parameters<typeof house>) {
  const { def, runs, bells } = house(...given)
  const around = await world()
  const stage = await new Stage({ def, ...around }).activate()
  const tell = async (room: 'a' | 'b' | 'c', ...said: Said[]) => {
    const told = said.map((what) => stage.ask({ type: 'tell', room, what }))
    await stage.quiet()
    return told.map(({ outcome }) => outcome)
  }
  /** Counts of the rooms as the log has them. */
  const rooms = async () => {
    const fold = new Fold(stage.address, def, logicHash(def))
    for (const record of await stage.records()) expect(fold.apply(record)).toBeUndefined()
    const children = fold.hostState()?.tree.children ?? {}
    return Object.fromEntries(
      Object.entries(children).map(([id, { snap }]) => [
        id,
        z.object({ context: z.object({ n: z.number() }) }).parse(snap).context.n,
      ]),
    )
  }
  const decisions = async () =>
    (await stage.records()).flatMap(({ steps }) => steps.flatMap(({ supervision }) => supervision ?? []))
  /** Replay, schema, recovery: every way to read what happened agrees. */
  const sound = async ({ stays = true } = {}) => {
    const replay = new ActorReplay(stage.address, def)
    for await (const entry of stage.journal.read(stage.subject)) replay.feed(entry)
    expect(replay.report()).toMatchObject({ mismatches: 0, unchecked: 0 })
    for (const record of await stage.records()) {
      expect(shapeProblems(schema, record)).toEqual([])
      expect(undescribed(schema, record)).toEqual([])
    }
    const before = await rooms()
    stage.resident.stop()
    const second = await new Stage({ def, ...around, epoch: 2 }).activate()
    expect(second.lost).toBeUndefined()
    const after = await rooms()
    if (stays) expect(after).toEqual(before)
    second.resident.stop()
  }
  return { stage, runs, bells, tell, rooms, decisions, sound }
}

const open = (runs: readonly Run[]) =>
  runs.filter(({ aborted }) => !aborted).map(({ room, attempt }) => `${room}${attempt}`)

describe('supervision/1: XState first', () => {
  test('a failure that the parent handles is none, and the child has ended', async () => {
    const { stage, tell, decisions, runs, sound } = await staged({}, { handles: true })
    expect(await tell('b', 'fail')).toEqual([null])
    expect(await decisions()).toEqual([])
    expect(await stage.context()).toEqual({ caught: 1 })
    expect(open(runs)).toEqual(['a1', 'c1'])
    await sound()
  })

  test('a failure of the root itself restarts the whole actor', async () => {
    const { stage, runs, decisions, sound } = await staged({})
    const told = stage.ask({ type: 'boom' })
    await stage.quiet()
    expect(told.outcome).toBe('ActorFailed')
    expect(await decisions()).toMatchObject([{ directive: 'restart', failures: 1 }])
    expect((await decisions())[0]).not.toHaveProperty('child')
    expect(open(runs)).toEqual([])
    await stage.advance(100)
    expect(open(runs)).toEqual(['a2', 'b2', 'c2'])
    await sound()
  })
})

describe('supervision/2: a failed child', () => {
  test('goes on from its last committed state; only its own effects begin again, after a rest; all else is undisturbed', async () => {
    const { stage, runs, bells, tell, rooms, decisions, sound } = await staged({})
    expect(await tell('b', 'count', 'fail', 'count')).toEqual([null, 'ActorFailed', null])
    expect(await rooms()).toEqual({ a: 0, b: 12, c: 20 })
    expect(await decisions()).toMatchObject([
      { directive: 'restart', failures: 1, child: { path: '/b:1', src: 'b', restart: ['/b:1'] } },
    ])
    expect(open(runs)).toEqual(['a1', 'c1'])
    expect(bells).toEqual(['hung', 'hung', 'hung', 'taken'])
    await stage.advance(100)
    expect(open(runs)).toEqual(['a1', 'c1', 'b2'])
    expect(bells).toEqual(['hung', 'hung', 'hung', 'taken', 'hung'])
    await sound()
  })

  test('rests as long as was decided, whatever fails beside it meanwhile', async () => {
    const { stage, runs, tell, sound } = await staged({ children: { a: { shutdownMs: 300 } }, intensity: 5 })
    await tell('a', 'fail')
    await tell('b', 'fail')
    await stage.advance(100)
    expect(open(runs)).toEqual(['c1', 'b2'])
    await stage.advance(100)
    expect(open(runs)).toEqual(['c1', 'b2'])
    await tell('b', 'fail')
    await stage.advance(100)
    expect(open(runs).sort()).toEqual(['a2', 'b2', 'c1'])
    await sound()
  })

  test('what was at work beside it delivers its result, its words and its evidence to the tree after it', async () => {
    const { stage, runs, bells, tell, sound } = await staged({}, { workClass: 'write' })
    await tell('b', 'fail', 'fail')
    await tell('a', 'ring')
    expect(bells.at(-1)).toBe('rung')
    runs[0]?.done(7)
    await stage.quiet()
    const steps = (await stage.records()).flatMap(({ steps: all }) => all)
    expect(steps.at(-1)).toMatchObject({
      input: { kind: 'effect.done', from: '/a:1/work:1' },
      effect: { name: 'work', class: 'write', attempt: 1 },
      outcome: 'applied',
    })
    await sound()
  })

  test('what a step before it in the same append has made is started, and what was said to it arrives', async () => {
    const { stage, tell, bells, sound } = await staged({})
    const release = stage.journal.hold()
    void stage.ask({ type: 'ask' })
    await stage.quiet()
    const all = [tell('a', 'ring'), tell('b', 'fail')]
    release()
    await Promise.all(all)
    await stage.quiet()
    expect(bells.filter((word) => word === 'rung')).toHaveLength(1)
    await sound()
  })

  test('made anew: its first state, in the append of the failure; who refers to it still reaches it', async () => {
    const { stage, tell, rooms, runs, sound } = await staged({ children: { b: { by: 'reset' } } })
    await tell('b', 'count', 'count', 'fail')
    expect(await rooms()).toEqual({ a: 0, b: 10, c: 20 })
    const last = (await stage.records()).at(-1)
    expect(last?.steps.map(({ input, outcome }) => [input.kind, outcome])).toEqual(
      expect.arrayContaining([
        ['message', 'error'],
        ['directive', 'applied'],
      ]),
    )
    await tell('b', 'count')
    expect(await rooms()).toEqual({ a: 0, b: 11, c: 20 })
    await stage.advance(100)
    expect(open(runs)).toEqual(['a1', 'c1', 'b1'])
    await sound()
  })

  test('a temporary one is stopped and taken from the list; its parent goes on', async () => {
    const { tell, rooms, runs, sound } = await staged({ children: { b: { restart: 'temporary' } } })
    await tell('b', 'fail')
    expect(await rooms()).toEqual({ a: 0, c: 20 })
    expect(open(runs)).toEqual(['a1', 'c1'])
    expect(await tell('b', 'count')).not.toEqual([undefined])
    await sound()
  })

  test('resume: nothing begins again', async () => {
    const { stage, tell, rooms, runs, sound } = await staged({ children: { b: { by: 'resume' } } })
    await tell('b', 'count', 'fail')
    await stage.advance(1_000)
    expect(await rooms()).toEqual({ a: 0, b: 11, c: 20 })
    expect(open(runs)).toEqual(['a1', 'b1', 'c1'])
    await sound()
  })

  test('an effect whose failure nobody handles begins again', async () => {
    const { stage, runs, decisions, sound } = await staged({})
    runs[1]?.fail()
    await stage.quiet()
    expect(await decisions()).toMatchObject([{ directive: 'restart', child: { path: '/b:1/work:1', src: 'work' } }])
    await stage.advance(100)
    expect(runs.map(({ room, attempt }) => `${room}${attempt}`)).toEqual(['a1', 'b1', 'c1', 'b2'])
    await sound()
  })

  test('a root that goes on, and one that is made anew', async () => {
    const on = await staged({ by: 'resume' })
    on.stage.ask({ type: 'boom' })
    await on.stage.quiet()
    expect(open(on.runs)).toEqual(['a1', 'b1', 'c1'])
    await on.sound()

    const anew = await staged({ by: 'reset' })
    await anew.tell('a', 'count')
    anew.stage.ask({ type: 'boom' })
    await anew.stage.quiet()
    expect(await anew.rooms()).toEqual({ a: 0, b: 10, c: 20 })
    await anew.stage.advance(100)
    expect(open(anew.runs)).toEqual(['a1', 'b1', 'c1'])
    expect(anew.runs).toHaveLength(6)
    await anew.sound()
  })
})

describe('supervision/3: too many failures', () => {
  test('of children restart the root, of the root quarantine the actor', async () => {
    const { stage, tell, decisions, runs, sound } = await staged({ intensity: 1, periodMs: 60_000 })
    await tell('b', 'fail', 'fail')
    await stage.advance(100)
    await tell('c', 'fail', 'fail')
    await stage.advance(100)
    expect(open(runs)).toEqual([])
    expect((await decisions()).map(({ directive, failures, escalated }) => [directive, failures, escalated])).toEqual([
      ['restart', 1, undefined],
      ['restart', 1, true],
      ['restart', 1, undefined],
      ['quarantine', 2, true],
    ])
    expect(await tell('a', 'count')).toEqual(['ActorQuarantined'])
    stage.order({ kind: 'start' })
    expect(await tell('a', 'count')).toEqual([null])
    await sound()
  })
})

describe('supervision/4: siblings', () => {
  test.each([
    ['one_for_one', ['a1', 'c1', 'b2']],
    ['one_for_all', ['a2', 'b2', 'c2']],
    ['rest_for_one', ['a1', 'b2', 'c2']],
  ] as const)('%s', async (strategy, after) => {
    const { stage, tell, runs, sound } = await staged({ strategy })
    await tell('b', 'fail')
    await stage.advance(100)
    expect(open(runs)).toEqual(after)
    await sound()
  })

  test('each as its own spec says', async () => {
    const children = { a: { by: 'reset' }, b: { by: 'reset' }, c: { restart: 'temporary' } } as const
    const { stage, tell, rooms, runs, sound } = await staged({ strategy: 'one_for_all', children })
    for (const room of ['a', 'b', 'c'] as const) await tell(room, 'count')
    await tell('b', 'fail')
    expect(await rooms()).toEqual({ a: 0, b: 10 })
    await stage.advance(100)
    expect(open(runs)).toEqual(['a1', 'b1'])
    await sound()
  })
})

describe('random lives', () => {
  test.each(Array.from({ length: 40 }, (_, seed) => seed))('seed %i: replayed, recovered and bounded', async (seed) => {
    const random = randomOf(seededEntropy(`life-${seed}`))
    const pick = <T>(...of: readonly [T, ...T[]]): T => of[random.int(of.length)] ?? of[0]
    const child = (): ChildSpec => ({
      by: pick('resume', 'restart', 'reset'),
      restart: pick('transient', 'transient', 'temporary'),
    })
    const intensity = 1 + random.int(4)
    const workClass = pick('idempotent', 'write')
    const { stage, runs, tell, decisions, sound } = await staged(
      {
        intensity,
        periodMs: 500,
        strategy: pick('one_for_one', 'one_for_all', 'rest_for_one'),
        by: pick('resume', 'restart', 'reset'),
        children: { a: child(), b: child(), c: child(), work: child() },
      },
      { workClass },
    )
    for (let i = 0; i < 40; i++) {
      const run = runs[random.int(runs.length)]
      switch (random.int(8)) {
        case 0:
          stage.ask({ type: 'boom' })
          break
        case 1:
          run?.fail()
          break
        case 2:
          run?.done(i)
          break
        case 3:
          await stage.advance(random.int(200))
          break
        case 4:
          stage.order({ kind: pick('start', 'restart', 'reset') })
          break
        default:
          void tell(pick('a', 'b', 'c'), pick('count', 'count', 'fail', 'ring'))
      }
      if (random.int(3) > 0) await stage.quiet()
    }
    await stage.advance(1_000)
    expect(stage.lost).toBeUndefined()
    for (const { directive, failures } of await decisions()) {
      if (directive !== 'quarantine' && directive !== 'stop') expect(failures).toBeLessThanOrEqual(intensity)
    }
    // A write at work is reported as unknown to the second node: one more failure to be answered.
    await sound({ stays: workClass !== 'write' })
  })
})
