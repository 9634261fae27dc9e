import { describe, expect, test } from 'vitest'
import { setup } from 'xstate'
import { z } from 'zod'
import { createSystem, defineActor, effect, memory, protocol } from './index.ts'
import { decodeRecord } from './step.ts'
import { eventually } from './testing/eventually.ts'

function services() {
  const calls: string[] = []
  const price = effect('price', 'read', async ({ item }: { item: string }, { effectId }) => {
    calls.push(effectId)
    if (item === 'gone') throw new RangeError('no such item')
    return { cents: item.length }
  })
  const says = protocol('shop', { events: { open: z.object({}) } })
  const shop = defineActor(says, {
    logic: setup({ types: says.types<Record<string, never>>(), actors: { price } }).createMachine({
      context: {},
      on: { open: {} },
    }),
  })
  return { calls, price, shop }
}

describe('run/1: a run is one ask of its actor', () => {
  test('it gives what the effect gives and is in the log with its input and result', async () => {
    const { price, shop, calls } = services()
    await using system = await createSystem({ actors: [shop] })
    expect(await system.run(price, { item: 'tea' })).toEqual({ cents: 3 })
    const steps = []
    for await (const { bytes } of system.connection.journal.read(system.runtime.subjects.journals())) {
      const { actor, steps: some } = decodeRecord(bytes)
      expect(actor).toMatch(/^run\//)
      steps.push(...some)
    }
    expect(steps.map(({ input }) => input.kind)).toEqual(['init', 'message', 'effect.done'])
    expect(steps[1]?.input).toMatchObject({ event: { effect: 'price', class: 'read', input: { item: 'tea' } } })
    expect(steps[2]).toMatchObject({ effect: { evidence: { effect: 'price' } }, ended: { kind: 'done' } })
    expect(calls).toEqual([steps[2]?.effect?.id])
  })

  test('two runs under one key are one run; another input under it is refused', async () => {
    const { price, shop, calls } = services()
    await using system = await createSystem({ actors: [shop] })
    const run = () => system.run(price, { item: 'tea' }, { idempotencyKey: 'k' })
    expect(await Promise.all([run(), run()])).toEqual([{ cents: 3 }, { cents: 3 }])
    expect(await run()).toEqual({ cents: 3 })
    expect(calls).toHaveLength(1)
    await expect(system.run(price, { item: 'milk' }, { idempotencyKey: 'k' })).rejects.toMatchObject({
      code: 'IdempotencyMismatch',
    })
  })

  test('an error of the effect is EffectFailed with its cause; an error of ours comes as it is', async () => {
    const { price, shop } = services()
    await using system = await createSystem({ actors: [shop] })
    await expect(system.run(price, { item: 'gone' })).rejects.toMatchObject({
      code: 'EffectFailed',
      details: { effect: 'price' },
      cause: { name: 'RangeError', message: 'no such item' },
    })
  })
})

describe('run/2: the class holds', () => {
  test('a write that had begun when its node died is EffectOutcomeUnknown; an idempotent one runs again', async () => {
    const backend = memory()
    let begun = 0
    const hang = (effectClass: 'idempotent' | 'write') =>
      effect(`hang.${effectClass}`, effectClass, (_: null, { attempt }): Promise<number> => {
        begun += 1
        return attempt === 1 ? new Promise(() => {}) : Promise.resolve(attempt)
      })
    const [idempotent, write] = [hang('idempotent'), hang('write')]
    const provides = [idempotent, write]
    const first = await createSystem({ backend, provides, leaseMs: 3_000 })
    await using client = await createSystem({ backend })
    const again = client.run(idempotent, null)
    const unknown = expect(client.run(write, null)).rejects.toMatchObject({ code: 'EffectOutcomeUnknown' })
    await eventually(() => begun === 2, { withinMs: 5_000 })
    await first.stop()
    await using _second = await createSystem({ backend, provides, leaseMs: 3_000 })
    expect(await again).toBe(2)
    await unknown
  }, 30_000)
})

describe('run/3: a node finds the effect by name', () => {
  test('a client runs effects of the actors of other nodes; what nobody knows is EffectNotServed', async () => {
    const { price, shop } = services()
    const backend = memory()
    await using _node = await createSystem({ backend, actors: [shop] })
    await using client = await createSystem({ backend })
    expect(await client.run(price, { item: 'tea' })).toEqual({ cents: 3 })
    const own = effect('own', 'read', async (_: null) => 1)
    await expect(client.run(own, null)).rejects.toMatchObject({ code: 'EffectNotServed', applied: 'no' })
    const other = effect('price', 'write', async (_: null) => 1)
    await expect(client.run(other, null)).rejects.toMatchObject({ code: 'EffectNotServed' })
  })

  test('a node runs what its caller holds in the hand, known or not', async () => {
    const { shop } = services()
    await using system = await createSystem({ actors: [shop] })
    const one = (n: number) => effect('closure', 'read', async (_: null) => n)
    expect(await Promise.all([system.run(one(1), null), system.run(one(2), null)])).toEqual([1, 2])
  })

  test('a user cannot define the type `run`', async () => {
    const says = protocol('run', { events: { go: z.object({}) } })
    const mine = defineActor(says, { logic: says.handlers({}, { go: (state) => state }) })
    await expect(createSystem({ actors: [mine] })).rejects.toMatchObject({ code: 'LogicRefused' })
  })
})
