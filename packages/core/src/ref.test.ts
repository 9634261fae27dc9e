import { expect, test } from 'vitest'
import { z } from 'zod'
import { createSystem, defineActor, protocol } from './index.ts'

const says = protocol('counter', { events: { add: z.object({ by: z.number() }) } })
const counter = defineActor(says, {
  logic: says.handlers({ count: 0 }, { add: ({ count }, { by }) => ({ count: count + by }) }),
})

test.each([Number.NaN, -1, Number.POSITIVE_INFINITY, 1e18])('a wait of %d is refused at the call', async (wait) => {
  await using system = await createSystem({ actors: [counter] })
  const ref = system.get(counter, 'a')
  const refused = { name: 'RangeError', message: expect.stringContaining(`is ${wait};`) }
  await expect(ref.ask({ type: 'add', by: 1 }, { timeoutMs: wait })).rejects.toMatchObject(refused)
  await expect(ref.snapshot({ timeoutMs: wait })).rejects.toMatchObject(refused)
  await expect(system.restart(ref, { timeoutMs: wait })).rejects.toMatchObject(refused)
  await expect(ref.deliver({ type: 'add', by: 1 }, { delayMs: wait })).rejects.toMatchObject(refused)
  expect((await ref.snapshot()).context.count).toBe(0)
})

test('a key that is missing or no text is refused, also where types do not tell', async () => {
  await using system = await createSystem({ actors: [counter] })
  const needed = { code: 'InvalidAddress', message: "an actor of type 'counter' needs a key; none was given" }
  const [none]: string[] = []
  expect(() => Reflect.apply(system.get, system, [counter])).toThrow(expect.objectContaining(needed))
  expect(() => Reflect.apply(system.get, system, [counter, none])).toThrow(expect.objectContaining(needed))
  expect(() => Reflect.apply(system.get, system, [counter, 5])).toThrow("a key of type 'counter' must be text; it is 5")
})
