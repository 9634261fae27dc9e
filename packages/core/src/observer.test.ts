import { expect, test } from 'vitest'
import { setup } from 'xstate'
import { z } from 'zod'
import { createSystem, defineActor, effect, type Observer, protocol } from './index.ts'
import { eventually } from './testing/eventually.ts'

const work = effect('work', 'idempotent', async ({ n }: { readonly n: number }, { signal }) => {
  if (n === 0) throw new Error('nothing to do')
  if (n < 0) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  return n
})
const says = protocol('worker', {
  events: { run: z.object({ n: z.number() }), leave: z.object({}), fail: z.object({}) },
  replies: { run: z.number() },
})
const worker = defineActor(says, {
  logic: setup({ types: says.types<Record<string, never>>(), actors: { work } }).createMachine({
    context: {},
    initial: 'idle',
    states: {
      idle: {
        on: {
          run: 'running',
          fail: {
            actions: () => {
              throw new Error('on purpose')
            },
          },
        },
      },
      running: {
        on: { leave: 'idle' },
        invoke: {
          src: 'work',
          input: ({ event }) => ({ n: event.type === 'run' ? event.n : 0 }),
          onDone: { target: 'idle', actions: says.reply('run', ({ event }) => event.output) },
          onError: { target: 'idle', actions: says.reply('run', () => -1) },
        },
      },
    },
  }),
})

const narrowSays = protocol('narrow', { events: { go: z.object({}) } })
const narrow = defineActor(narrowSays, {
  mailbox: { messages: 1 },
  logic: narrowSays.handlers({}, { go: (state) => state }),
})

interface Told {
  readonly [fact: string]: unknown
}

function notebook(): Observer & { readonly told: Told[] } {
  const told: Told[] = []
  const note = (what: string) => (fact: object) => void told.push({ what, ...fact })
  return {
    told,
    turned: ({ type, steps, tookMs }) =>
      void told.push({ what: 'turn', type, tookMs, kinds: steps.map((s) => s.input.kind) }),
    appended: note('append'),
    effectEnded: note('effect'),
    answered: note('answer'),
    buried: note('buried'),
    report: (figures) => [figures],
  }
}

test('an observer is told of turns, appends, answers, and of effects however they end', async () => {
  const observer = notebook()
  await using system = await createSystem({ actors: [worker, narrow], observer, node: 'here' })
  const ref = system.get(worker, 'a')
  expect(await ref.ask({ type: 'run', n: 7 })).toBe(7)
  expect(await ref.ask({ type: 'run', n: 0 })).toBe(-1)
  const left = ref.ask({ type: 'run', n: -1 }).catch(() => {})
  const running = () => JSON.stringify(system.metrics()).includes('"openEffects":1')
  await eventually(running, { withinMs: 5_000 })
  await ref.ask({ type: 'leave' })
  await Promise.allSettled([1, 2, 3].map(() => system.get(narrow, 'a').ask({ type: 'go' })))
  await expect(ref.ask({ type: 'leave' })).rejects.toMatchObject({ code: 'EventNotAccepted' })
  const of = (what: string) => observer.told.filter((fact) => fact['what'] === what)
  expect(of('answer').map(({ code }) => code)).toContain('MailboxFull')
  const ended = of('effect').map(({ name, outcome, tookMs }) => [name, outcome, typeof tookMs])
  expect(ended).toEqual(['ok', 'failed', 'stopped'].map((outcome) => ['work', outcome, 'number']))
  expect(of('answer').map(({ type, code }) => `${type} ${code}`)).toContain('worker EventNotAccepted')
  expect(of('turn').map(({ kinds }) => kinds)).toContainEqual(['effect.done'])
  for (const { tookMs } of [...of('turn'), ...of('append'), ...of('answer')]) expect(tookMs).toBeGreaterThanOrEqual(0)
  expect(of('append')[0]).toMatchObject({ outcome: 'committed', sizeBytes: expect.any(Number) })
  expect(system.metrics()).toMatchObject([{ node: 'here', shards: 16, residents: 2, openEffects: 0, withMail: 0 }])
  await system.stop()
  await left
})

test('turn-watch/1: an effect that supervision begins again fails and ends in time of its own', async () => {
  let fails = 2
  const flaky = effect('flaky', 'idempotent', async () => {
    if (fails-- > 0) throw new Error('not yet')
    return 1
  })
  const flakySays = protocol('flaky', { events: { go: z.object({}) }, replies: { go: z.number() } })
  const def = defineActor(flakySays, {
    supervision: { backoffMs: [1, 1] },
    logic: setup({ types: flakySays.types<Record<string, never>>(), actors: { flaky } }).createMachine({
      context: {},
      initial: 'idle',
      states: {
        idle: { on: { go: 'going' } },
        going: {
          invoke: {
            src: 'flaky',
            input: {},
            onDone: { target: 'idle', actions: flakySays.reply('go', ({ event }) => event.output) },
          },
        },
      },
    }),
  })
  const observer = notebook()
  await using system = await createSystem({ actors: [def], observer })
  expect(await system.get(def, 'a').ask({ type: 'go' })).toBe(1)
  const ended = observer.told.filter(({ what }) => what === 'effect')
  expect(ended.map(({ outcome, tookMs }) => [outcome, typeof tookMs])).toEqual(
    ['failed', 'failed', 'ok'].map((outcome) => [outcome, 'number']),
  )
})

test('observer/3: one that always throws hurts nothing, and is said once', async () => {
  const fail = () => {
    throw new Error('broken')
  }
  const observer = { turned: fail, appended: fail, effectEnded: fail, answered: fail, buried: fail, report: fail }
  const said: string[] = []
  await using system = await createSystem({ actors: [worker], observer, onLog: (text) => void said.push(text) })
  const ref = system.get(worker, 'a')
  for (const n of [1, 2, 3]) expect(await ref.ask({ type: 'run', n })).toBe(n)
  expect(system.metrics()).toEqual([])
  expect(said.filter((text) => text.includes('observer'))).toHaveLength(1)
})

test('a letter that no step applies is told with its reason; a node without an observer reports nothing', async () => {
  const observer = notebook()
  await using system = await createSystem({ actors: [worker], observer })
  await system.get(worker, 'a').deliver({ type: 'leave' })
  await eventually(() => observer.told.some((fact) => fact['what'] === 'buried'), { withinMs: 5_000 })
  expect(observer.told).toContainEqual({ what: 'buried', type: 'worker', reason: 'EventNotAccepted' })
  await using blind = await createSystem({ actors: [worker] })
  expect(blind.metrics()).toBeUndefined()
})
