import { createSystem, LogicRefused } from '@troupe/core'
import { expect, test } from 'vitest'
import { createActor } from 'xstate'
import { z } from 'zod'
import { pool } from './pool.ts'

const python = pool('p', { app: 'm:app', size: 1, maxFailedStarts: 1 })
const add = python.fn('add', { input: z.object({ a: z.int() }), output: z.int(), class: 'read' })

test('a pool is an actor, its functions are effects with a name and a class', () => {
  expect(python.protocol.type).toBe('pool-p')
  expect(add.effect).toMatchObject({ name: 'p.add', class: 'read' })
  expect(python.fn('f', { input: z.object({}), output: z.null() }).effect.class).toBe('idempotent')
  const program = python.dspy('triage', { input: z.object({}), output: z.object({}) })
  const effects = [program.run, program.variables(), program.evaluate]
  expect(effects.map(({ effect }) => effect.name)).toEqual(['p.triage.run', 'p.triage.variables', 'p.triage.evaluate'])
  const signature = { input: z.object({}), output: z.object({}), spec: { name: 'Triage' } }
  expect(python.predict(signature).effect.name).toBe('p.predict.Triage')
})

test('in memory there is no way to a worker, and the pool says what to do', async () => {
  await using system = await createSystem({ actors: [python], shards: 1 })
  const outcome = await system.get(python, 'main').ask({ type: 'start' })
  expect(outcome).toMatchObject({
    state: 'failed',
    reason: expect.stringContaining('createSystem({ backend: nats() })'),
  })
})

test('outside of a system a function says so', async () => {
  const actor = createActor(add, { input: { a: 1 } })
  const failed = new Promise((resolve) => actor.subscribe({ error: resolve }))
  actor.start()
  expect(await failed).toBeInstanceOf(LogicRefused)
})
