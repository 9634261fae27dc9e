import { createSystem, memory } from '@troupe/core'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { choice, float } from '../domain.ts'
import { EMPTY_SPACE, KEPT_CHANGES, rollback, set } from './revisions.ts'
import { variable } from './variable.ts'
import { variables } from './variables.ts'

describe('a space of variables', () => {
  test('revisions/3: a set whose revision is old is refused with who was faster; nothing of the batch happens', async () => {
    await using system = await createSystem({ actors: [variables] })
    const space = system.get(variables, 'triage')
    expect(await space.ask({ type: 'set', values: { t: 0.5, style: 'a' }, by: 'ann' })).toEqual({
      ok: true,
      revision: 1,
    })
    expect(await space.ask({ type: 'set', values: { t: 0.7 }, by: 'bob', ifRevision: 1 })).toEqual({
      ok: true,
      revision: 2,
    })
    expect(await space.ask({ type: 'set', values: { t: 0.9, style: 'b' }, by: 'ann', ifRevision: 1 })).toEqual({
      ok: false,
      code: 'RevisionConflict',
      revision: 2,
      conflicts: [{ name: 't', revision: 2, by: 'bob' }],
    })
    expect(await space.ask({ type: 'get' })).toEqual({
      revision: 2,
      values: { t: { value: 0.7, revision: 2, by: 'bob' }, style: { value: 'a', revision: 1, by: 'ann' } },
    })
    // The other value has not changed since revision 1.
    expect(await space.ask({ type: 'set', values: { style: 'b' }, by: 'ann', ifRevision: 1 })).toMatchObject({
      ok: true,
    })
    expect(await space.ask({ type: 'get', names: ['style'] })).toMatchObject({ values: { style: { value: 'b' } } })
    expect(await space.ask({ type: 'set', values: { x: 1 }, by: 'ann', ifRevision: 9 })).toMatchObject({
      ok: false,
      conflicts: [],
    })
  })

  test('revisions/4: a rollback is a new revision with the older values', async () => {
    await using system = await createSystem({ actors: [variables] })
    const space = system.get(variables, 's')
    await space.ask({ type: 'set', values: { a: 1 }, by: 'u' })
    await space.ask({ type: 'set', values: { a: 2, b: 2 }, by: 'u', note: { trial: 3 } })
    await space.ask({ type: 'set', values: { a: 3 }, by: 'u' })
    expect(await space.ask({ type: 'rollback', to: 1, by: 'v' })).toEqual({ ok: true, revision: 4 })
    expect(await space.ask({ type: 'get' })).toEqual({ revision: 4, values: { a: { value: 1, revision: 4, by: 'v' } } })
    const { changes } = await space.ask({ type: 'history' })
    expect(changes[1]).toMatchObject({ revision: 2, by: 'u', note: { trial: 3 }, before: { a: { value: 1 }, b: null } })
    expect(await space.ask({ type: 'rollback', to: 9, by: 'v' })).toMatchObject({ ok: false, code: 'RevisionGone' })
    // What was rolled back can be rolled forward.
    await space.ask({ type: 'rollback', to: 3, by: 'v' })
    expect((await space.ask({ type: 'get' })).values).toMatchObject({ a: { value: 3 }, b: { value: 2 } })
  })

  test('revisions/5: the history is bounded, and a rollback beyond it is refused', () => {
    let state = EMPTY_SPACE
    for (let n = 1; n <= 60; n++) state = set(state, { values: { n }, by: 'u' }).state
    expect(state.history).toHaveLength(KEPT_CHANGES)
    expect(rollback(state, { to: 9, by: 'u' }).reply).toEqual({
      ok: false,
      code: 'RevisionGone',
      revision: 60,
      oldest: 10,
    })
    expect(rollback(state, { to: 10, by: 'u' }).state.values['n']).toMatchObject({ value: 10, revision: 61 })
  })

  test('metadata is kept beside the values', async () => {
    await using system = await createSystem({ actors: [variables] })
    const space = system.get(variables, 's')
    await space.ask({ type: 'describe', name: 't', metadata: { unit: 'K' } })
    await space.ask({ type: 'describe', name: 't', metadata: { usedBy: ['triage'] } })
    const { context } = await space.snapshot()
    expect(context).toMatchObject({ revision: 0, metadata: { t: { unit: 'K', usedBy: ['triage'] } } })
  })

  test('values and history go with the actor to another node', async () => {
    const world = memory()
    const first = await createSystem({ actors: [variables], backend: world, shards: 8 })
    await first.get(variables, 's').ask({ type: 'set', values: { a: 1 }, by: 'u' })
    await first.drain()
    await using second = await createSystem({ actors: [variables], backend: world, shards: 8 })
    const space = second.get(variables, 's')
    expect(await space.ask({ type: 'rollback', to: 0, by: 'u' })).toEqual({ ok: true, revision: 2 })
    expect((await space.ask({ type: 'get' })).values).toEqual({})
  })
})

describe('a variable', () => {
  const temperature = variable('triage.temperature', float(0, 2), 0.7)
  const style = variable('triage.style', choice(['Predict', 'ChainOfThought']), 'Predict')

  test('has its initial value until it is set, and says who set it', async () => {
    await using system = await createSystem({ actors: [variables], node: 'n1' })
    expect(await temperature.in(system).get()).toEqual({ value: 0.7, revision: 0, by: 'initial' })
    expect(await temperature.in(system).set(1)).toEqual({ value: 1, revision: 1, by: 'n1' })
    expect(await style.in(system).set('ChainOfThought', { by: 'me', ifRevision: 1 })).toMatchObject({ revision: 2 })
    expect(await temperature.in(system).get()).toEqual({ value: 1, revision: 1, by: 'n1' })
  })

  test('a conflict is an error with its code; a value outside of the schema never leaves', async () => {
    await using system = await createSystem({ actors: [variables] })
    await temperature.in(system).set(1)
    await expect(temperature.in(system).set(1.5, { ifRevision: 0 })).rejects.toMatchObject({
      code: 'RevisionConflict',
      applied: 'no',
      details: { revision: 1, conflicts: [{ name: 'temperature', revision: 1 }] },
    })
    await expect(temperature.in(system).set(3)).rejects.toMatchObject({ code: 'InvalidEvent' })
    expect((await temperature.in(system).get()).value).toBe(1)
  })

  test('takes any schema', async () => {
    await using system = await createSystem({ actors: [variables] })
    const prompt = variable('triage.prompt', z.object({ text: z.string() }), { text: 'Name the module.' })
    await prompt.in(system).set({ text: 'Which module?' })
    expect((await prompt.in(system).get()).value).toEqual({ text: 'Which module?' })
    expect(() => variable('nodot', z.string(), '')).toThrow(/<space>\.<variable>/)
  })
})
