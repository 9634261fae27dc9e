import { expect, test } from 'vitest'
import { assign, emit, enqueueActions, setup } from 'xstate'
import { z } from 'zod'
import { createSystem, defineActor, effect, memory, packWire, protocol, unpackWire } from './index.ts'
import type { Backend } from './ports.ts'
import type { AnyProtocol } from './protocol.ts'
import { decodeRecord } from './step.ts'
import { manualClock } from './testing/manual-clock.ts'
import { scriptedJournal } from './testing/scripted-journal.ts'

const counterSays = protocol('counter', {
  events: { add: z.object({ by: z.number() }), reset: z.object({}) },
  replies: { add: z.number() },
})
const counter = defineActor(counterSays, {
  logic: counterSays.handlers(
    { count: 0 },
    {
      add: ({ count }, { by }) => ({ state: { count: count + by }, reply: count + by }),
      reset: () => ({ count: 0 }),
    },
  ),
})

test('an actor answers, keeps its state and shows it', async () => {
  await using system = await createSystem({ actors: [counter] })
  const ref = system.get(counter, 'a')
  expect(await ref.ask({ type: 'add', by: 2 })).toBe(2)
  expect(await ref.ask({ type: 'add', by: 3 })).toBe(5)
  expect(await ref.ask({ type: 'reset' })).toBeUndefined()
  expect((await ref.snapshot()).context).toEqual({ count: 0 })
  expect((await system.get(counter, 'b').snapshot({ fenced: true })).context).toEqual({ count: 0 })
})

test('two systems in one process do not see each other: same node name, type, key, emitted events and effects', async () => {
  const ran: string[] = []
  const roll = effect('roll', 'idempotent', async (_: object, { runtime }) => {
    ran.push(runtime?.namespace ?? '')
    return runtime?.node ?? ''
  })
  const says = protocol('twin', {
    events: { add: z.object({ by: z.number() }), roll: z.object({}) },
    replies: { add: z.number(), roll: z.string() },
    emits: { added: z.object({ by: z.number() }) },
  })
  const logic = setup({ types: says.types<{ sum: number }>(), actors: { roll } }).createMachine({
    context: { sum: 0 },
    initial: 'idle',
    states: {
      idle: {
        on: {
          roll: 'rolling',
          add: {
            actions: [
              assign({ sum: ({ context, event }) => context.sum + event.by }),
              emit(({ event }) => ({ type: 'added', by: event.by })),
              says.reply('add', ({ context }) => context.sum),
            ],
          },
        },
      },
      rolling: {
        invoke: {
          src: 'roll',
          input: {},
          onDone: { target: 'idle', actions: says.reply('roll', ({ event }) => event.output) },
        },
      },
    },
  })
  const twin = defineActor(says, { logic })
  const heard: string[] = []
  const systems = await Promise.all(
    ['one', 'two'].map((name) => createSystem({ actors: [twin], node: 'same', backend: memory({ namespace: name }) })),
  )
  const [one, two] = systems.map((system) => system.get(twin, 'x'))
  one?.on('added', ({ by }) => heard.push(`one ${by}`))
  two?.on('added', ({ by }) => heard.push(`two ${by}`))
  expect(await Promise.all([one?.ask({ type: 'add', by: 1 }), two?.ask({ type: 'add', by: 10 })])).toEqual([1, 10])
  expect(await one?.ask({ type: 'roll' }, { idempotencyKey: 'k' })).toBe('same')
  expect(ran).toEqual(['one'])
  // The same idempotency key is another command there.
  expect(await two?.ask({ type: 'roll' }, { idempotencyKey: 'k' })).toBe('same')
  expect(ran).toEqual(['one', 'two'])
  await systems[0]?.stop()
  expect(await two?.ask({ type: 'add', by: 10 })).toBe(20)
  await expect.poll(() => heard).toEqual(['one 1', 'two 10', 'two 10'])
  await systems[1]?.stop()
})

test('a bad payload is refused by its schema, an unknown event by name; neither touches the actor', async () => {
  await using system = await createSystem({ actors: [counter] })
  const ref = system.get(counter, 'a')
  // @ts-expect-error the payload's type
  await expect(ref.ask({ type: 'add', by: 'x' })).rejects.toMatchObject({ code: 'InvalidEvent', applied: 'no' })
  // @ts-expect-error no such event
  await expect(ref.ask({ type: 'nope' })).rejects.toMatchObject({ code: 'InvalidEvent' })
  expect((await ref.snapshot()).seq).toBe(1)
})

const charge = effect('charge', 'idempotent', async ({ cents }: { cents: number }) => ({ receipt: `r${cents}` }))
const shopSays = protocol('shop', {
  events: { buy: z.object({ cents: z.number() }), close: z.object({}) },
  replies: { buy: z.object({ receipt: z.string() }) },
})
const shop = defineActor(shopSays, {
  logic: setup({ types: shopSays.types<{ sold: number }>(), actors: { charge } }).createMachine({
    context: { sold: 0 },
    initial: 'open',
    states: {
      open: { on: { buy: 'charging', close: 'closed' } },
      charging: {
        invoke: {
          src: 'charge',
          input: ({ event }) => ({ cents: event.type === 'buy' ? event.cents : 0 }),
          onDone: {
            target: 'open',
            actions: [
              assign({ sold: ({ context }) => context.sold + 1 }),
              shopSays.reply('buy', ({ event }) => event.output),
            ],
          },
        },
      },
      closed: { type: 'final' },
    },
  }),
})

test('a reply may come in a later transition, after an effect', async () => {
  await using system = await createSystem({ actors: [shop] })
  const ref = system.get(shop, 's')
  expect(await ref.ask({ type: 'buy', cents: 5 })).toEqual({ receipt: 'r5' })
  const view = await ref.snapshot()
  expect(view.matches('open')).toBe(true)
  expect(view.context).toEqual({ sold: 1 })
})

test('an event that the state does not take is refused with what it would take; a finished actor says so', async () => {
  await using system = await createSystem({ actors: [shop] })
  const ref = system.get(shop, 's')
  await ref.ask({ type: 'close' })
  await expect(ref.ask({ type: 'buy', cents: 1 })).rejects.toMatchObject({ code: 'ActorDone' })
})

test('turn/4 and turn/7: a repeated idempotency key is answered from the record, another payload is refused', async () => {
  await using system = await createSystem({ actors: [counter] })
  const ref = system.get(counter, 'a')
  expect(await ref.ask({ type: 'add', by: 1 }, { idempotencyKey: 'k' })).toBe(1)
  expect(await ref.ask({ type: 'add', by: 1 }, { idempotencyKey: 'k' })).toBe(1)
  await expect(ref.ask({ type: 'add', by: 2 }, { idempotencyKey: 'k' })).rejects.toMatchObject({
    code: 'IdempotencyMismatch',
  })
  expect((await ref.snapshot()).context).toEqual({ count: 1 })
})

test('a repetition looks the same though the schema adds, trims and drops', async () => {
  const says = protocol('form', {
    events: { fill: z.object({ name: z.string().trim(), age: z.number().default(18) }) },
  })
  const logic = setup({ types: says.types<{ n: number }>() }).createMachine({
    context: { n: 0 },
    on: { fill: { actions: assign({ n: ({ context }) => context.n + 1 }) } },
  })
  const form = defineActor(says, { logic })
  await using system = await createSystem({ actors: [form] })
  const ref = system.get(form, 'a')
  const event = { type: 'fill' as const, name: ' Ada ', extra: 1 }
  await ref.ask(event, { idempotencyKey: 'k' })
  await ref.ask(event, { idempotencyKey: 'k' })
  expect((await ref.snapshot()).context).toEqual({ n: 1 })
})

test.each(['constructor', 'toString', '__proto__'])(
  "an event named '%s' is refused like any other that is not there",
  async (type) => {
    await using system = await createSystem({ actors: [counter] })
    const untyped: AnyProtocol = counterSays
    const asked = system.get(untyped, 'a').ask({ type })
    await expect(asked).rejects.toMatchObject({ code: 'InvalidEvent', details: { known: ['add', 'reset'] } })
  },
)

test('settlement/4: who gave up waits again under the same key, whatever else the actor did meanwhile', async () => {
  const says = protocol('late', {
    events: { wait: z.object({}), tick: z.object({}), open: z.object({}) },
    replies: { wait: z.string() },
  })
  const machine = setup({ types: says.types<{ n: number }>() }).createMachine({
    context: { n: 0 },
    on: { wait: {}, tick: {}, open: { actions: says.reply('wait', 'now', { to: 'oldest' }) } },
  })
  await using system = await createSystem({ actors: [defineActor(says, { logic: machine })] })
  const ref = system.get(says, 'k')
  await expect(ref.ask({ type: 'wait' }, { idempotencyKey: 'w', timeoutMs: 50 })).rejects.toMatchObject({
    code: 'Timeout',
  })
  await ref.ask({ type: 'tick' })
  const again = ref.ask({ type: 'wait' }, { idempotencyKey: 'w' })
  await ref.ask({ type: 'open' })
  expect(await again).toBe('now')
})

test('a new node on the same log takes up the state, the open ask and its effect', async () => {
  const world = memory()
  const answers: ((text: string) => void)[] = []
  const slow = effect('slow', 'idempotent', (_: unknown, { signal }) => {
    return new Promise<string>((resolve, reject) => {
      answers.push(resolve)
      signal.addEventListener('abort', () => reject(new Error('aborted')))
    })
  })
  const says = protocol('slow', { events: { go: z.object({}) }, replies: { go: z.string() } })
  const machine = setup({ types: says.types<{ n: number }>(), actors: { slow } }).createMachine({
    context: { n: 0 },
    initial: 'idle',
    states: {
      idle: { on: { go: 'working' } },
      working: {
        invoke: {
          src: 'slow',
          input: {},
          onDone: { target: 'idle', actions: says.reply('go', ({ event }) => event.output) },
        },
      },
    },
  })
  const def = defineActor(says, { logic: machine })
  const first = await createSystem({ actors: [def], backend: world, node: 'one', shards: 8 })
  await using client = await createSystem({ backend: world, shards: 8 })
  const asked = client.get(says, 'k').ask({ type: 'go' }, { timeoutMs: 10_000 })
  await expect.poll(() => answers.length).toBe(1)
  await first.drain()
  await using second = await createSystem({ actors: [def], backend: world, node: 'two', shards: 8 })
  await expect.poll(() => answers.length).toBe(2)
  answers[1]?.('from the second node')
  expect(await asked).toBe('from the second node')
  expect(second.node).toBe('two')
})

test('every append is one record: activation first, the chain of hashes unbroken, the state inside', async () => {
  const world = memory()
  await using system = await createSystem({ actors: [counter], backend: world, shards: 1 })
  const ref = system.get(counter, 'a')
  for (let by = 1; by <= 3; by++) await ref.ask({ type: 'add', by })
  const records = []
  for await (const entry of system.connection.journal.read('tr.default.j.>')) records.push(decodeRecord(entry.bytes))
  expect(records.map((record) => record.steps.length)).toEqual([1, 1, 1, 1])
  expect(records[0]?.activated?.node).toBe(system.node)
  expect(records.at(-1)?.state?.host?.tree.snap).toMatchObject({ context: { count: 6 } })
  expect(new Set(records.map((record) => record.writer)).size).toBe(1)
})

test('a failing step is recorded, the state stays, the asker is told; too many failures end in quarantine', async () => {
  const says = protocol('fragile', { events: { add: z.object({ by: z.number() }) }, replies: { add: z.number() } })
  const fragile = defineActor(says, {
    logic: says.handlers(
      { n: 0 },
      {
        add: ({ n }, { by }) => {
          if (by < 0) throw new Error('negative')
          return { state: { n: n + by }, reply: n + by }
        },
      },
    ),
    supervision: { intensity: 1, backoffMs: [1, 1] },
  })
  await using system = await createSystem({ actors: [fragile] })
  const ref = system.get(fragile, 'f')
  expect(await ref.ask({ type: 'add', by: 2 })).toBe(2)
  await expect(ref.ask({ type: 'add', by: -1 })).rejects.toMatchObject({ code: 'ActorFailed', applied: 'no' })
  expect(await ref.ask({ type: 'add', by: 1 })).toBe(3)
  await expect(ref.ask({ type: 'add', by: -1 })).rejects.toMatchObject({ code: 'ActorFailed' })
  await expect(ref.ask({ type: 'add', by: 1 })).rejects.toMatchObject({ code: 'ActorQuarantined' })
})

// ── Over the bus: a client that is not the node ──────────────────────────────────────────────────────────────────────

const blobSays = protocol('blob', {
  events: { make: z.object({ size: z.number() }), take: z.object({ text: z.string() }), shout: z.object({}) },
  replies: { make: z.string(), take: z.number() },
  emits: { shouted: z.object({ at: z.bigint(), bytes: z.instanceof(Uint8Array) }) },
})
const blob = defineActor(blobSays, {
  logic: setup({ types: blobSays.types<{ kept: string[] }>() }).createMachine({
    context: { kept: [] },
    on: {
      make: { actions: blobSays.reply('make', ({ event }) => 'x'.repeat(event.size)) },
      take: {
        actions: [
          assign({ kept: ({ context, event }) => [...context.kept, event.text] }),
          blobSays.reply('take', ({ event }) => event.text.length),
        ],
      },
      shout: { actions: emit({ type: 'shouted' as const, at: 7n, bytes: Uint8Array.of(1) }) },
    },
  }),
})

test('an answer too large for a message is told as such, and the node goes on', async () => {
  const world = memory()
  await using _node = await createSystem({ actors: [blob], backend: world, shards: 1 })
  await using client = await createSystem({ backend: world, shards: 1 })
  const ref = client.get(blob, 'a')
  // It fits into a record, not into an answer: the step stands.
  await expect(ref.ask({ type: 'make', size: 800_000 })).rejects.toMatchObject({
    code: 'MessageTooLarge',
    applied: 'unknown',
  })
  // These do; all of them together do not fit into an answer.
  for (let i = 0; i < 2; i++) await ref.ask({ type: 'take', text: 'x'.repeat(400_000) })
  await expect(ref.snapshot()).rejects.toMatchObject({ code: 'MessageTooLarge' })
  expect(await ref.ask({ type: 'make', size: 3 })).toBe('xxx')
})

test('a request too large for a message is refused at once; nothing is tried again', async () => {
  const world = memory()
  await using _node = await createSystem({ actors: [blob], backend: world, shards: 1 })
  const clock = manualClock()
  await using client = await createSystem({ backend: world, shards: 1, clock })
  const ref = client.get(blob, 'a')
  await expect(ref.ask({ type: 'take', text: 'x'.repeat(800_000) })).rejects.toMatchObject({
    code: 'MessageTooLarge',
    applied: 'no',
  })
  clock.advance(10_000)
  expect(await ref.ask({ type: 'take', text: 'abc' })).toBe(3)
})

test('what is emitted arrives as it was emitted', async () => {
  const world = memory()
  await using _node = await createSystem({ actors: [blob], backend: world, shards: 1 })
  await using client = await createSystem({ backend: world, shards: 1 })
  const ref = client.get(blob, 'a')
  const heard: unknown[] = []
  ref.on('shouted', (event) => heard.push(event))
  await ref.ask({ type: 'shout' })
  await expect.poll(() => heard).toEqual([{ type: 'shouted', at: 7n, bytes: Uint8Array.of(1) }])
})

test('a full mailbox answers a local read with its error; a local send is dropped', async () => {
  const tiny = defineActor(counterSays, { logic: counter.logic, mailbox: { messages: 0 } })
  await using system = await createSystem({ actors: [tiny], shards: 1 })
  const ref = system.get(tiny, 'a')
  await expect(ref.snapshot()).rejects.toMatchObject({ code: 'MailboxFull' })
  expect(() => ref.send({ type: 'add', by: 1 })).not.toThrow()
})

test('a client may not take the name of an actor: it would use up the numbers of its sends', async () => {
  const world = memory()
  await using node = await createSystem({ actors: [counter], backend: world, shards: 1 })
  const { bus } = node.connection
  const answers: unknown[] = []
  const reply = bus.openReply((answer) => answers.push(answer === 'no-responders' ? answer : unpackWire(answer.data)))
  const body = { event: { type: 'add', by: 1 }, command: { client: 'order/1', n: 1 } }
  bus.publish('tr.default.c.main-0.counter.a', packWire(body), { reply: reply.subject })
  await expect.poll(() => answers).toMatchObject([{ ok: false, error: { code: 'InvalidEvent', applied: 'no' } }])
})

test('more sends from one actor to another than a receiver remembers', async () => {
  const manySays = protocol('many', { events: { go: z.object({ n: z.number() }) } })
  const many = defineActor(manySays, {
    logic: setup({ types: manySays.types<{ n: number }>() }).createMachine({
      context: { n: 0 },
      on: {
        go: {
          actions: enqueueActions(({ enqueue, event }) => {
            for (let i = 0; i < event.n; i++) enqueue(counterSays.sendTo('sum', { type: 'add', by: 1 }))
          }),
        },
      },
    }),
  })
  await using system = await createSystem({ actors: [many, counter], shards: 1 })
  const ref = system.get(many, 'm')
  for (let round = 0; round < 6; round++) {
    await ref.ask({ type: 'go', n: 250 })
    const sum = system.get(counter, 'sum')
    await expect
      .poll(async () => (await sum.snapshot()).context, { timeout: 10_000 })
      .toEqual({ count: (round + 1) * 250 })
  }
})

test('a shard is taken up although one of its records cannot be read, and although the first scan failed', async () => {
  const says = protocol('alarm', { events: { set: z.object({}), look: z.object({}) } })
  const alarm = defineActor(says, {
    logic: setup({ types: says.types<{ n: number }>() }).createMachine({
      context: { n: 0 },
      initial: 'off',
      on: { look: {} },
      states: {
        off: { on: { set: 'on' } },
        on: { after: { 50: { target: 'off', actions: assign({ n: ({ context }) => context.n + 1 }) } } },
      },
    }),
  })
  const world = memory()
  const first = await createSystem({ actors: [alarm], backend: world, shards: 1 })
  first.connection.bus.publish('tr.default.j.main-0.alarm.broken', new TextEncoder().encode('garbage'))
  await first.get(alarm, 'a').ask({ type: 'set' })
  await first.drain()
  let scans = 0
  const flaky: Backend = {
    kind: 'memory',
    connect: async (options) => {
      const connection = await world.connect(options)
      const { journal } = connection
      const heads = (pattern: string) => {
        scans += 1
        if (scans === 1) throw new Error('no leader')
        return journal.heads(pattern)
      }
      return { ...connection, journal: scriptedJournal(journal, { heads }) }
    },
  }
  const told: string[] = []
  await using second = await createSystem({
    actors: [alarm],
    backend: flaky,
    shards: 1,
    onLog: (text) => told.push(text),
  })
  const { journal } = second.connection
  const seen = async () => {
    const last = await journal.last('tr.default.j.main-0.alarm.a')
    return last && decodeRecord(last.bytes).steps.at(-1)?.input.kind
  }
  await expect.poll(seen, { timeout: 5_000 }).toBe('timer')
  expect(told).toEqual([
    'the scan of a shard failed; trying again',
    'a record cannot be read; its actor is not taken up',
  ])
})
