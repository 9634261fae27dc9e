import { describe, expect, test } from 'vitest'
import { createActor, fromPromise, setup, toPromise } from 'xstate'
import { z } from 'zod'
import { defineActor } from './actor.ts'
import { type EffectContext, effect, effectOf, resource } from './effect.ts'
import { protocol } from './protocol.ts'
import { createSystem } from './system.ts'

const says = protocol('job', {
  events: {
    run: z.object({ n: z.number() }),
    stop: z.object({}),
    poke: z.object({ text: z.string() }),
    heard: z.object({ text: z.string() }),
  },
  replies: { run: z.number() },
})

/** A machine that runs `double` and holds `line` while it is busy. */
function job() {
  const contexts: EffectContext[] = []
  const log: string[] = []
  const double = effect('math.double', 'read', async ({ n }: { n: number }, context) => {
    contexts.push(context)
    context.evidence({ worker: 'w' })
    if (n < 0) throw new RangeError('negative')
    return n === 0 ? new Promise<number>(() => {}) : n * 2
  })
  const line = resource<{ name: string }, { type: 'say'; text: string }>(
    ({ name }, { receive, sendBack, resourceId }) => {
      log.push(`open ${name} ${resourceId}`)
      receive(({ text }) => {
        log.push(`received ${text}`)
        sendBack({ type: 'heard', text: `${text}!` })
      })
      return () => log.push(`closed ${name}`)
    },
  )
  const logic = setup({
    types: says.types<{ heard: string[]; result: number }>(),
    actors: { double, line },
  }).createMachine({
    context: { heard: [], result: 0 },
    initial: 'idle',
    states: {
      idle: { on: { run: 'busy' } },
      busy: {
        invoke: [
          {
            src: 'double',
            input: ({ event }) => ({ n: event.type === 'run' ? event.n : 0 }),
            onDone: { target: 'idle', actions: says.reply('run', ({ event }) => event.output) },
            onError: { target: 'idle', actions: says.reply('run', -1) },
          },
          { src: 'line', id: 'line', input: { name: 'l' } },
        ],
        on: {
          stop: 'idle',
          poke: {
            actions: ({ event, self }) => self.getSnapshot().children['line']?.send({ type: 'say', text: event.text }),
          },
          heard: { actions: ({ event }) => log.push(`heard ${event.text}`) },
        },
      },
    },
  })
  return { contexts, log, logic, def: defineActor(says, { logic }) }
}

describe('under plain XState', () => {
  test('an effect is a promise logic: input, output, and a context without a system', async () => {
    const { contexts, logic } = job()
    const actor = createActor(logic, { input: { type: 'job', key: 'k' } }).start()
    actor.send({ type: 'run', n: 4 })
    await new Promise(setImmediate)
    expect(actor.getSnapshot().value).toBe('idle')
    const [context] = contexts
    expect(context).toMatchObject({ attempt: 1, runtime: undefined })
    expect(context?.effectId).toBeTruthy()
    expect(context?.cause).toEqual({ correlation: context?.effectId, causation: context?.effectId })
    const lone = createActor(
      effect('x', 'read', async (n: number) => n + 1),
      { input: 1 },
    ).start()
    expect(await toPromise(lone)).toBe(2)
  })

  test('leaving the state aborts the effect and releases the resource', async () => {
    const { contexts, log, logic } = job()
    const actor = createActor(logic, { input: { type: 'job', key: 'k' } }).start()
    actor.send({ type: 'run', n: 0 })
    actor.send({ type: 'poke', text: 'hi' })
    actor.send({ type: 'stop' })
    expect(contexts[0]?.signal.aborted).toBe(true)
    expect(log.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
      'open l',
      'received hi',
      'heard hi!',
      'closed l',
    ])
  })
})

describe('under a system', () => {
  test('an effect knows who it is and why it runs; its result is the reply', async () => {
    const { contexts, def } = job()
    await using system = await createSystem({ actors: [def], shards: 1 })
    expect(await system.get(def, 'k').ask({ type: 'run', n: 4 })).toBe(8)
    const [context] = contexts
    expect(context?.effectId).toMatch(/^job\/k\/.+:1@1:2$/)
    expect(context).toMatchObject({ attempt: 1, cause: { causation: 'job/k#1:2' } })
    expect(context?.runtime).toBe(system.runtime)
    expect(await system.get(def, 'k').ask({ type: 'run', n: 5 })).toBe(10)
    expect(contexts[1]?.effectId).not.toBe(context?.effectId)
  })

  test('a failure is the machine’s own business', async () => {
    const { def } = job()
    await using system = await createSystem({ actors: [def], shards: 1 })
    expect(await system.get(def, 'k').ask({ type: 'run', n: -1 })).toBe(-1)
  })

  test('a resource is open while its state lasts, hears the machine and speaks to it', async () => {
    const { log, def, contexts } = job()
    await using system = await createSystem({ actors: [def], shards: 1 })
    const ref = system.get(def, 'k')
    void ref.ask({ type: 'run', n: 0 }, { timeoutMs: 60_000 }).catch(() => {})
    await ref.ask({ type: 'poke', text: 'hi' })
    await expect.poll(() => log).toContain('heard hi!')
    await ref.ask({ type: 'stop' })
    expect(log).toEqual(['open l job/k/line:1@1:2', 'received hi', 'heard hi!', 'closed l'])
    expect(contexts[0]?.signal.aborted).toBe(true)
  })

  test('stopping the node releases what it holds', async () => {
    const { log, def, contexts } = job()
    const system = await createSystem({ actors: [def], shards: 1 })
    void system
      .get(def, 'k')
      .ask({ type: 'run', n: 0 }, { timeoutMs: 60_000 })
      .catch(() => {})
    await expect.poll(() => log).toHaveLength(1)
    await system.stop()
    expect(log.at(-1)).toBe('closed l')
    expect(contexts[0]?.signal.aborted).toBe(true)
  })
})

test('a logic says what it is: a bare promise counts as a write', () => {
  expect(effectOf(effect('a.b', 'idempotent', async () => 1))).toEqual({ name: 'a.b', class: 'idempotent' })
  expect(effectOf(fromPromise(async () => 1))).toEqual({ class: 'write' })
  expect(effectOf({ effect: { name: 'x', class: 'nonsense' } })).toEqual({ name: 'x', class: 'write' })
})
