import { beforeEach, describe, expect, test } from 'vitest'
import { assign, setup, spawnChild } from 'xstate'
import { z } from 'zod'
import { type ActorPolicy, defineActor } from './actor.ts'
import { protocol } from './protocol.ts'
import { Stage, type World, world } from './testing/stage.ts'

const says = protocol('list', {
  events: { put: z.object({ n: z.number() }), spoil: z.object({}), bear: z.object({}) },
})
const heir = setup({ types: { output: {} as object } }).createMachine({
  initial: 'over',
  states: { over: { type: 'final' } },
  output: () => new Map(), // no plain data: no record can hold it
})
const logic = setup({ types: says.types<{ sum: number; items: number[] }>(), actors: { heir } }).createMachine({
  context: () => ({ sum: 0, items: [] }),
  on: {
    put: {
      actions: assign({
        sum: ({ context, event }) => context.sum + event.n,
        items: ({ context, event }) => [...context.items, event.n],
      }),
    },
    spoil: {
      actions: assign(({ context }) => {
        context.items.push(-1) // in place, as nobody should
        throw new Error('spoilt')
      }),
    },
    bear: { actions: spawnChild('heir', { id: 'heir' }) },
  },
})
const shown = async (actor: Stage) => {
  const seen = actor.look()
  await actor.quiet()
  return seen.outcome
}
const put = (n: number) => ({ type: 'put', n })
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)

let here: World
beforeEach(async () => {
  here = await world()
})

const stage = (policy: ActorPolicy = {}) =>
  new Stage({ def: defineActor(says, { logic, ...policy }), ...here }).activate()

describe.each(['journaled', 'volatile'] as const)('after a failed step, %s', (persistence) => {
  test.each([0, 1, 31, 32, 33, 100])('the tree is as %i good steps have left it', async (count) => {
    const actor = await stage({ persistence })
    for (const n of upTo(count)) actor.tell(put(n))
    const failed = actor.ask({ type: 'spoil' })
    await actor.advance(1_000)
    actor.tell(put(1_000))
    await actor.advance(1_000)
    expect(failed.outcome).toBe('ActorFailed')
    const items = [...upTo(count), 1_000]
    const sum = items.reduce((total, n) => total + n, 0)
    expect(await shown(actor)).toMatchObject({ context: { sum, items } })
  })

  test('of its own, when a child leaves something that no record can hold: the step fails, the actor goes on', async () => {
    const actor = await stage({ persistence })
    const failed = actor.ask({ type: 'bear' })
    await actor.advance(1_000)
    const after = actor.ask(put(1))
    await actor.advance(1_000)
    expect(failed.answers).toMatchObject([{ error: { message: expect.stringContaining('an instance of Map') } }])
    expect(after.answers).toMatchObject([{ ok: true }])
    expect(await shown(actor)).toMatchObject({ context: { sum: 1 } })
  })
})
