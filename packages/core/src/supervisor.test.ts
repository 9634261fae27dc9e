import { describe, expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { Disconnected } from './errors.ts'
import {
  createSystem,
  defineActor,
  effect,
  type LifeFact,
  memory,
  protocol,
  type SupervisedChild,
  type System,
  supervisor,
} from './index.ts'
import { answered, type Charge, ordered } from './supervisor.ts'
import { eventually } from './testing/eventually.ts'
import { manualClock } from './testing/manual-clock.ts'

const says = protocol('room', { events: { count: z.object({}), fail: z.object({}), leave: z.object({}) } })
const runs: string[] = []
const work = effect('work', 'idempotent', (_: undefined, { effectId, attempt, signal }) => {
  runs.push(`${effectId.slice(5, 6)}${attempt}`)
  return new Promise<null>((_done, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))))
})
const room = defineActor(says, {
  supervision: { intensity: 0 },
  logic: setup({ types: says.types<{ n: number }>(), actors: { work } }).createMachine({
    context: { n: 0 },
    initial: 'open',
    states: {
      open: { invoke: { src: 'work', input: undefined }, on: { leave: 'left' } },
      left: { type: 'final' },
    },
    on: {
      count: { actions: assign({ n: ({ context }) => context.n + 1 }) },
      fail: {
        actions: assign(() => {
          throw new Error('the roof fell in')
        }),
      },
    },
  }),
})

const house = (more: object = {}, child: Omit<SupervisedChild, 'actor'> = {}) =>
  supervisor('house', {
    backoffMs: [10, 10],
    ...more,
    children: { a: { actor: room }, b: { actor: room, ...child }, c: { actor: room } },
  })

/** Lets a child fail until it is quarantined, and waits for what its supervisor does. */
async function failed(system: System, set: ReturnType<typeof house>, name: 'a' | 'b' | 'c' = 'b') {
  const ref = system.get(set).child(name)
  await expect(ref.ask({ type: 'fail' })).rejects.toMatchObject({ code: 'ActorFailed' })
  await eventually(async () => (await ref.snapshot()).status === 'active', { withinMs: 5_000 })
}

const counts = async (system: System, set: ReturnType<typeof house>) => {
  const views = await Promise.all((['a', 'b', 'c'] as const).map((name) => system.get(set).child(name).snapshot()))
  return views.map(({ context }) => context.n)
}

async function begun(more?: object, child?: Omit<SupervisedChild, 'actor'>, backend = memory()) {
  const set = house(more, child)
  const system = await createSystem({ actors: [room, set], backend, leaseMs: 3_000 })
  await eventually(async () => (await system.actors()).nodes[0]?.actors.length === 4, { withinMs: 5_000 })
  for (const name of ['a', 'b', 'c'] as const) await system.get(set).child(name).ask({ type: 'count' })
  runs.length = 0
  return { system, set }
}

const ordersOf = async (system: System, name: string): Promise<string[]> => {
  const facts: LifeFact[] = []
  const ended = new AbortController()
  setTimeout(() => ended.abort(), 50)
  for await (const fact of system.watch({ address: `room/${name}` }, { from: 1, signal: ended.signal }))
    facts.push(fact)
  return facts.flatMap((fact) => (fact.kind === 'started' ? [fact.by] : []))
}

describe('supervisor/1: what the type of a child cannot answer', () => {
  test('the children begin with their supervisor; a quarantined one goes on from its last committed state', async () => {
    const { system, set } = await begun()
    await using _ = system
    await failed(system, set)
    expect(await counts(system, set)).toEqual([1, 1, 1])
    expect(runs).toEqual(['b2'])
    expect(await ordersOf(system, 'b')).toEqual(['message', 'start', 'start'])
    expect(await system.get(set).status()).toEqual({
      a: { address: 'room/a', gone: false },
      b: { address: 'room/b', gone: false },
      c: { address: 'room/c', gone: false },
    })
  })

  test.each([
    ['one_for_all', ['a2', 'b2', 'c2']],
    ['rest_for_one', ['b2', 'c2']],
  ])('%s: siblings that have not ended begin their effects again', async (strategy, expected) => {
    const { system, set } = await begun({ strategy })
    await using _ = system
    await failed(system, set)
    await eventually(() => runs.length >= expected.length, { withinMs: 5_000 })
    expect(runs).toEqual(expected)
    expect(await counts(system, set)).toEqual([1, 1, 1])
  })

  test('made anew, brought back after its end, or left alone, as the child says', async () => {
    const anew = await begun({}, { by: 'reset' })
    await failed(anew.system, anew.set)
    expect(await counts(anew.system, anew.set)).toEqual([1, 0, 1])
    await anew.system.get(anew.set).child('b').ask({ type: 'leave' })
    await eventually(async () => (await anew.system.get(anew.set).child('b').snapshot()).status === 'active', {
      withinMs: 5_000,
    })
    await anew.system.drain()

    const left = await begun({}, { restart: 'temporary' })
    await expect(left.system.get(left.set).child('b').ask({ type: 'fail' })).rejects.toThrow()
    await eventually(async () => (await left.system.get(left.set).status()).b.gone, { withinMs: 5_000 })
    await left.system.drain()
  })
})

describe('supervisor/2 and 3: over the death of its node', () => {
  test('a child that failed while nobody watched is brought back once', async () => {
    const backend = memory()
    const set = house()
    const first = await createSystem({ actors: [set, room], backend, leaseMs: 3_000 })
    const ref = first.get(set).child('b')
    await eventually(async () => (await ref.snapshot()).seq >= 1, { withinMs: 5_000 })
    await eventually(async () => (await ordersOf(first, 'b')).includes('start'), { withinMs: 5_000 })
    await ref.ask({ type: 'count' })
    void ref.ask({ type: 'fail' }).catch(() => {})
    await eventually(async () => (await ref.snapshot()).status === 'error', { withinMs: 5_000 })
    await first.stop()
    await using second = await createSystem({ actors: [set, room], backend, leaseMs: 3_000 })
    const again = second.get(set).child('b')
    await eventually(async () => (await again.snapshot({ timeoutMs: 20_000 })).status === 'active', {
      withinMs: 20_000,
    })
    expect((await again.snapshot()).context.n).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect((await ordersOf(second, 'b')).filter((by) => by !== 'message')).toEqual(['start', 'start'])
  }, 40_000)
})

describe('supervisor/3: an order that cannot be sent now', () => {
  const order = { kind: 'start', reason: 'r' } as const
  const cause = { correlation: 'c', causation: 'c' }
  /** Orders fail at once while there is no connection; an end to it, so that a loop without pauses fails instead of freezing. */
  const given = (disconnected: number) => {
    const clock = manualClock()
    const ended = new AbortController()
    let tries = 0
    const lives = {
      order: async () => {
        if (++tries <= disconnected) throw new Disconnected('there is no connection')
      },
    }
    const result = ordered({ clock, lives }, 'room/a', order, { signal: ended.signal, cause }, 'key')
    const settle = () => new Promise(setImmediate)
    return { clock, ended, result, settle, tries: () => tries }
  }

  test('is given again after a pause, and leaves the process free meanwhile', async () => {
    const { clock, result, settle, tries } = given(2)
    await settle()
    expect(tries()).toBe(1)
    clock.advance(1_000)
    await settle()
    expect(tries()).toBe(2)
    clock.advance(1_000)
    expect(await result).toBeUndefined()
    expect(tries()).toBe(3)
  })

  test('is given up in the pause when the effect ends, and no timer stays', async () => {
    const { clock, ended, result, settle, tries } = given(50)
    await settle()
    ended.abort(new Error('the node stops'))
    await expect(result).rejects.toThrow('the node stops')
    expect(tries()).toBe(1)
    expect(clock.waiting).toBe(0)
  })
})

describe('supervisor/4: too many failures', () => {
  test('quarantine the supervisor and leave its children as they are', async () => {
    const { system, set } = await begun({ intensity: 1, periodMs: 60_000 })
    await using _ = system
    await failed(system, set)
    await expect(system.get(set).child('c').ask({ type: 'fail' })).rejects.toThrow()
    await eventually(
      async () => {
        const answer = await system
          .get(set)
          .status()
          .catch((error: unknown) => Reflect.get(Object(error), 'code'))
        return String(answer) === 'ActorQuarantined'
      },
      { withinMs: 5_000 },
    )
    expect((await system.get(set).child('c').snapshot()).status).toBe('error')
    expect((await system.get(set).child('a').snapshot()).status).toBe('active')
  })
})

describe('supervisor: the answer to a fact', () => {
  const all = ['a', 'b', 'c'].map((name) => ({ path: name, src: name, effect: false }))
  const charge: Charge = { since: 0, seen: { b: 5 }, gone: [], childFailures: [], tasks: [] }
  const fact = { type: 'fact', child: 'b', position: 6, at: 1_000, kind: 'quarantined', reason: 'r' } as const
  const by = (specs = {}) => ({ all, specs })

  test('is given once per position, by strategy, in the order of the set', () => {
    expect(answered({}, by(), charge, { ...fact, position: 5 }, 0)).toBe(charge)
    const after = answered(
      { strategy: 'one_for_all', backoffMs: [100, 100] },
      by({ c: { by: 'reset' } }),
      charge,
      fact,
      0,
    )
    expect(after).toMatchObject({ seen: { b: 6 }, childFailures: [1_000] })
    expect(after.tasks).toEqual([
      {
        at: 1_050,
        reason: `'b' is quarantined: r`,
        orders: [
          { child: 'a', order: 'restart' },
          { child: 'b', order: 'start' },
          { child: 'c', order: 'reset' },
        ],
      },
    ])
  })

  test('an end that is no failure brings back permanent children only; what is destroyed stays so', () => {
    const done = { ...fact, kind: 'done' } as const
    expect(answered({}, by({ b: { restart: 'transient' } }), charge, done, 0)).toMatchObject({ gone: ['b'], tasks: [] })
    expect(answered({}, by({ b: { restart: 'permanent' } }), charge, done, 0).tasks).toHaveLength(1)
    const destroyed = answered({}, by(), charge, { ...fact, kind: 'destroyed' }, 0)
    expect(destroyed).toMatchObject({ gone: ['b'], tasks: [] })
    expect(answered({}, by(), destroyed, { ...fact, position: 7 }, 0).tasks).toEqual([])
  })
})
