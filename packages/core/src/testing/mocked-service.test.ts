import { describe, expect, test, vi } from 'vitest'
import { createActor, setup, toPromise } from 'xstate'
import { z } from 'zod'
import { createSystem, defineActor, effect, protocol, type System } from '../index.ts'
import { eventually } from './eventually.ts'
import { mock, withMockedService } from './mocked-service.ts'
import { testNamespace } from './test-namespace.ts'

const charge = effect('charge', 'idempotent', async ({ cents }: { cents: number }) => ({ receipt: `real-${cents}` }))
const audit = effect('audit', 'read', async ({ receipt }: { receipt: string }) => `audited ${receipt}`)
/** Made of the two others: their work is run inside its own. */
const checkout = effect('checkout', 'idempotent', async (input: { cents: number }, context) => {
  const { receipt } = await charge.effect.run(input, context)
  return { receipt: await audit.effect.run({ receipt }, context) }
})

const says = protocol('shop', {
  events: { buy: z.object({ cents: z.number() }), checkout: z.object({ cents: z.number() }) },
  replies: { buy: z.object({ receipt: z.string() }), checkout: z.object({ receipt: z.string() }) },
})
const machine = setup({ types: says.types<Record<string, never>>(), actors: { charge, checkout } }).createMachine({
  context: {},
  initial: 'open',
  states: {
    open: { on: { buy: 'buying', checkout: 'checking' } },
    buying: {
      invoke: {
        src: 'charge',
        input: ({ event }) => ({ cents: 'cents' in event ? event.cents : 0 }),
        onDone: { target: 'open', actions: says.reply('buy', ({ event }) => event.output) },
        onError: { target: 'open', actions: says.reply('buy', ({ event }) => ({ receipt: String(event.error) })) },
      },
    },
    checking: {
      invoke: {
        src: 'checkout',
        input: ({ event }) => ({ cents: 'cents' in event ? event.cents : 0 }),
        onDone: { target: 'open', actions: says.reply('checkout', ({ event }) => event.output) },
      },
    },
  },
})
const shop = defineActor(says, { logic: machine })
const actors = [shop]

const buy = async (system: System, key = 'a'): Promise<string> =>
  (await system.get(shop, key).ask({ type: 'buy', cents: 5 })).receipt
const checkOut = async (system: System, key = 'a'): Promise<string> =>
  (await system.get(shop, key).ask({ type: 'checkout', cents: 5 })).receipt

test('an effect is replaced by its name, as long as the test runs', async () => {
  await using system = await createSystem({ actors })
  expect(await buy(system)).toBe('real-5')
  const seen = await withMockedService(
    system,
    { charge: async ({ cents }: { cents: number }) => ({ receipt: `mock-${cents}` }) },
    (mocked) => buy(mocked),
  )
  expect(seen).toBe('mock-5')
  expect(await buy(system)).toBe('real-5')
})

test('an effect is replaced by itself: input and result are checked against its types', async () => {
  const mocks = [
    mock(charge, ({ cents }) => ({ receipt: `mock-${cents}` })),
    // @ts-expect-error the result of `audit` is text
    mock(audit, () => 7),
  ]
  await withMockedService({ actors }, mocks, async (system) => {
    expect(await buy(system)).toBe('mock-5')
  })
})

test('by itself one effect is replaced, by name all of that name', async () => {
  const other = effect('charge', 'idempotent', async ({ cents }: { cents: number }) => ({ receipt: `other-${cents}` }))
  await withMockedService({ actors }, [mock(other, () => ({ receipt: 'mock' }))], async (system) => {
    expect(await buy(system)).toBe('real-5')
  })
  // An effect that only wraps another one of its name: by itself, the inner one sees its own input.
  const wrapped = effect('charge', 'idempotent', ({ input }: { input: { cents: number } }, context) =>
    charge.effect.run(input, context),
  )
  await using system = await createSystem()
  const { runtime } = system
  const context = {
    ...{ effectId: 'e', attempt: 1, cause: { correlation: 'c', causation: 'd' } },
    runtime,
    evidence: () => {},
  }
  const run = () => wrapped.effect.run({ input: { cents: 5 } }, { ...context, signal: new AbortController().signal })
  await withMockedService(system, [mock(charge, ({ cents }) => ({ receipt: `mock-${cents}` }))], async () => {
    expect(await run()).toEqual({ receipt: 'mock-5' })
  })
  expect(await run()).toEqual({ receipt: 'real-5' })
})

test('an effect that is run inside another one is replaced there too', async () => {
  await withMockedService({ actors }, { charge: () => ({ receipt: 'mock' }) }, async (system) => {
    expect(await checkOut(system)).toBe('audited mock')
  })
  await withMockedService({ actors }, { checkout: () => ({ receipt: 'whole' }) }, async (system) => {
    expect(await checkOut(system)).toBe('whole')
    expect(await buy(system)).toBe('real-5')
  })
})

test('the original can be called from its mock, which sees the context of the effect', async () => {
  const ids: string[] = []
  const flaky = mock(charge, async (input, { effectId, attempt }, original) => {
    ids.push(`${effectId} ${attempt}`)
    if (ids.length === 1) throw new Error('card reader away')
    return original({ cents: input.cents + 1 })
  })
  await withMockedService({ actors }, [flaky], async (system) => {
    expect(await buy(system)).toBe('Error: card reader away')
    expect(await buy(system)).toBe('real-6')
  })
  expect(new Set(ids).size).toBe(2)
})

test('overrides/1: mocks within mocks: the newest counts, and each goes by itself', async () => {
  await using system = await createSystem({ actors, effects: { charge: () => ({ receipt: 'of the system' }) } })
  expect(await buy(system)).toBe('of the system')
  let end = () => {}
  const first = withMockedService(
    system,
    { charge: () => ({ receipt: 'first' }) },
    () => new Promise<void>((r) => (end = r)),
  )
  await withMockedService(system, { charge: () => ({ receipt: 'second' }) }, async () => {
    expect(await buy(system)).toBe('second')
    end()
    await first
    expect(await buy(system)).toBe('second')
  })
  expect(await buy(system)).toBe('of the system')
})

test('a name that every object has is no mock', async () => {
  const odd = effect('constructor', 'read', async () => 'odd')
  const oddSays = protocol('odd', { events: { go: z.object({}) }, replies: { go: z.string() } })
  const oddMachine = setup({ types: oddSays.types<Record<string, never>>(), actors: { odd } }).createMachine({
    context: {},
    initial: 'idle',
    states: {
      idle: { on: { go: 'busy' } },
      busy: {
        invoke: { src: 'odd', onDone: { target: 'idle', actions: oddSays.reply('go', ({ event }) => event.output) } },
      },
    },
  })
  await using system = await createSystem({ actors: [defineActor(oddSays, { logic: oddMachine })] })
  expect(await system.get(oddSays, 'a').ask({ type: 'go' })).toBe('odd')
})

test('what fails in the test is its failure, and the mocks are gone', async () => {
  await using system = await createSystem({ actors })
  const failing = withMockedService(system, { charge: () => ({ receipt: 'mock' }) }, async () => {
    throw new Error('the test says no')
  })
  await expect(failing).rejects.toThrow('the test says no')
  expect(await buy(system)).toBe('real-5')
})

test('two systems of one namespace: a mock counts where the actor is, and only there', async () => {
  await using space = testNamespace()
  await using node = await createSystem({ actors, backend: space.backend, shards: 1 })
  await using client = await createSystem({ backend: space.backend })
  await withMockedService(client, { charge: () => ({ receipt: 'mock' }) }, async () => {
    expect(await buy(client)).toBe('real-5')
  })
  await withMockedService(node, { charge: () => ({ receipt: 'mock' }) }, async () => {
    expect(await buy(client)).toBe('mock')
  })
})

test('an effect that is run from outside any actor is replaced too', async () => {
  await withMockedService({ actors }, [mock(charge, () => ({ receipt: 'mock' }))], async (system) => {
    expect(await system.run(charge, { cents: 5 })).toEqual({ receipt: 'mock' })
    expect(await system.run(checkout, { cents: 5 })).toEqual({ receipt: 'audited mock' })
  })
})

test('under plain XState an effect is itself', async () => {
  expect(await toPromise(createActor(charge, { input: { cents: 1 } }).start())).toEqual({ receipt: 'real-1' })
})

const TESTS = 100
vi.setConfig({ maxConcurrency: TESTS })

describe.concurrent("100 tests at once with conflicting mocks of one effect never see one another's", () => {
  let arrived = 0
  test.each(Array.from({ length: TESTS }, (_, i) => i))('test %i', async (i) => {
    await using space = testNamespace()
    const receipt = `mock ${i}`
    const options = { actors, backend: space.backend, shards: 2 }
    await withMockedService(options, { charge: async () => ({ receipt }) }, async (system) => {
      arrived += 1
      await eventually(() => arrived === TESTS, { withinMs: 15_000, show: () => arrived })
      for (let round = 0; round < 5; round++) {
        expect(await buy(system)).toBe(receipt)
        expect(await checkOut(system, 'b')).toBe(`audited ${receipt}`)
      }
      // The same type and key for all of them: 5 purchases of two steps each, after the first step, are this test's alone.
      expect((await system.get(shop, 'a').snapshot()).seq).toBe(11)
    })
  })
})
