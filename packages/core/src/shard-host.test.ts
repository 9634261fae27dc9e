import { expect, test } from 'vitest'
import { assign, emit, setup } from 'xstate'
import { z } from 'zod'
import { Subjects } from './address.ts'
import { hashOfBytes } from './codec.ts'
import { createSystem, defineActor, memory, protocol, type System } from './index.ts'
import type { MemoryConnection } from './memory/backend.ts'
import type { Backend, Journal, Store } from './ports.ts'
import { decodeRecord, encodeRecord } from './step.ts'
import { type ManualClock, manualClock } from './testing/manual-clock.ts'

const says = protocol('sender', {
  events: { pass: z.object({ to: z.string() }), take: z.object({}) },
  replies: {},
})
const sender = defineActor(says, {
  logic: setup({ types: says.types<{ taken: number }>() }).createMachine({
    context: { taken: 0 },
    on: {
      pass: {
        actions: says.sendTo(
          ({ event }) => event.to,
          () => ({ type: 'take' }),
        ),
      },
      take: { actions: assign({ taken: ({ context }) => context.taken + 1 }) },
    },
  }),
})

/** A backend whose journals behave as told. */
function withJournal(
  world: ReturnType<typeof memory>,
  change: (journal: Journal, connection: MemoryConnection) => Partial<Journal>,
): Backend {
  return {
    kind: 'memory',
    connect: async (options) => {
      const connection = await world.connect(options)
      const { journal } = connection
      const whole: Journal = {
        streamId: journal.streamId,
        append: (subject, expected, bytes) => journal.append(subject, expected, bytes),
        last: (subject) => journal.last(subject),
        heads: (pattern) => journal.heads(pattern),
        read: (pattern, options) => journal.read(pattern, options),
        follow: (pattern, options) => journal.follow(pattern, options),
        purge: (subject, below) => journal.purge(subject, below),
      }
      return { ...connection, journal: { ...whole, ...change(journal, connection) } }
    },
  }
}

/** A backend whose mail takes nothing. */
function withoutMail(world: ReturnType<typeof memory>): Backend {
  return {
    kind: 'memory',
    connect: async (options) => {
      const connection = await world.connect(options)
      const { mail } = connection
      const closed = async () => ({ kind: 'unknown', cause: new Error('no leader now') }) as const
      const rest = {
        streamId: mail.streamId,
        read: (pattern: string) => mail.read(pattern),
        next: (subject: string, from: number) => mail.next(subject, from),
        waiting: (pattern: string) => mail.waiting(pattern),
        purge: (subject: string, upTo?: number) => mail.purge(subject, upTo),
        remove: (subject: string, position: number) => mail.remove(subject, position),
      }
      return { ...connection, mail: { ...rest, store: closed, schedule: closed } }
    },
  }
}

test('an actor whose take-up failed is taken up again: what it owes does not wait for its next message', async () => {
  const world = memory()
  // The mail cannot be reached in this life, so the send stays open.
  const first = await createSystem({ actors: [sender], backend: withoutMail(world), shards: 8, node: 'one' })
  await first.get(sender, 'a').ask({ type: 'pass', to: 'b' })
  await first.drain()
  let failures = 0
  await using second = await createSystem({
    actors: [sender],
    backend: withJournal(world, (journal) => ({
      last: async (subject) => {
        if (subject.endsWith('.a') && failures++ === 0) throw new Error('no leader now')
        return journal.last(subject)
      },
    })),
    shards: 8,
    node: 'two',
  })
  await expect.poll(async () => (await second.get(sender, 'b').snapshot()).context.taken, { timeout: 8_000 }).toBe(1)
  expect(failures).toBeGreaterThan(1)
})

test('a send that finds no connection waits for it and leaves the process free', async () => {
  const world = memory()
  let cut = () => {}
  let heal = () => {}
  const backend = withJournal(world, (journal, connection) => {
    heal = () => connection.heal()
    cut = () => connection.cut()
    return {
      append: async (subject, expected, bytes) => {
        const outcome = await journal.append(subject, expected, bytes)
        if (Buffer.from(bytes).includes('"sends":[{')) cut()
        return outcome
      },
    }
  })
  await using system = await createSystem({ actors: [sender], backend, shards: 8 })
  const asked = system.get(sender, 'a').ask({ type: 'pass', to: 'b' })
  await new Promise((resolve) => setTimeout(resolve, 100))
  cut = () => {}
  heal()
  await asked
  await expect.poll(async () => (await system.get(sender, 'b').snapshot()).context.taken, { timeout: 8_000 }).toBe(1)
})

test('one fenced actor puts its whole shard in doubt: the others are not served from memory any more', async () => {
  const world = memory()
  const deaf: Backend = {
    kind: 'memory',
    connect: async (options) => {
      const connection = await world.connect(options)
      const { store } = connection
      const unmoved: Store = {
        get: (key) => store.get(key),
        create: (key, value, given) => store.create(key, value, given),
        update: (key, value, revision, given) => store.update(key, value, revision, given),
        delete: (key, revision) => store.delete(key, revision),
        // It never hears that its shard has another owner.
        watch: (pattern, listener) => store.watch(pattern, (change) => pattern === 'shard.>' || listener(change)),
      }
      return { ...connection, store: unmoved }
    },
  }
  await using system = await createSystem({ actors: [sender], backend: deaf, shards: 1 })
  for (const key of ['a', 'b']) await system.get(sender, key).ask({ type: 'take' })
  const { journal, store } = system.connection
  const subject = new Subjects('default').journal('main-0', 'sender/a')
  const shard = await store.get('shard.main-0')
  const owner = { owner: 'other-00000000-1', epoch: 9 }
  await store.update('shard.main-0', Buffer.from(JSON.stringify(owner)), shard?.revision ?? 0)
  const last = await journal.last(subject)
  if (last === undefined) throw new Error('the actor has a log')
  const theirs = { ...decodeRecord(last.bytes), epoch: 9, writer: 'f'.repeat(32), prev: hashOfBytes(last.bytes) }
  await journal.append(subject, last.position, encodeRecord(theirs, JSON.stringify(theirs.state)))
  expect((await system.get(sender, 'b').snapshot()).context.taken).toBe(1)
  await expect(system.get(sender, 'a').ask({ type: 'take' }, { timeoutMs: 300 })).rejects.toMatchObject({
    code: 'Timeout',
  })
  const looks = system.get(sender, 'b').snapshot({ timeoutMs: 300 })
  await expect(looks).rejects.toMatchObject({ code: 'Timeout' })
})

const bellSays = protocol('bell', {
  events: { arm: z.object({}), armLoud: z.object({}), shout: z.object({}) },
  emits: { noise: z.object({ text: z.string() }) },
})
const noise = () => ({ type: 'noise' as const, text: 'x'.repeat(1_100_000) })
/** Rings three seconds after it was armed; a shout is more than the log takes in one step. */
const bell = defineActor(bellSays, {
  logic: setup({ types: bellSays.types<{}>() }).createMachine({
    context: {},
    initial: 'quiet',
    on: { shout: { actions: emit(noise) } },
    states: {
      quiet: { on: { arm: 'armed', armLoud: 'armedLoud' } },
      armed: { after: { 3000: 'quiet' } },
      armedLoud: { after: { 3000: { target: 'quiet', actions: emit(noise) } } },
    },
  }),
})

async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 500) {
    clock.advance(Math.min(left, 500))
    for (let i = 0; i < 8; i++) await new Promise(setImmediate)
  }
}

/** Runs `work` while time passes. */
async function meanwhile<T>(clock: ManualClock, work: Promise<T>): Promise<T> {
  let done = false
  const ended = work.finally(() => {
    done = true
  })
  ended.catch(() => undefined)
  while (!done) await pass(clock, 50)
  return ended
}

async function bellSystem(backend: Backend = memory()) {
  const clock = manualClock(1_700_000_000_000)
  const logged: { readonly text: string; readonly data: object }[] = []
  const onLog = (text: string, data: object) => logged.push({ text, data })
  const system = await meanwhile(clock, createSystem({ actors: [bell], backend, shards: 1, clock, onLog }))
  return { clock, system, logged }
}

async function timersFired(system: System): Promise<number> {
  let fired = 0
  for await (const { bytes } of system.connection.journal.read(new Subjects('default').history('bell/b')))
    fired += decodeRecord(bytes).steps.filter(({ input }) => input.kind === 'timer').length
  return fired
}

test('an actor that is lost over a step the log refuses is taken up again: its timer fires untouched', async () => {
  const { clock, system } = await bellSystem()
  // The second look at the heads would take it up as well.
  await pass(clock, 11_000)
  const ref = system.get(bell, 'b')
  await meanwhile(clock, ref.ask({ type: 'arm' }))
  await expect(meanwhile(clock, ref.ask({ type: 'shout' }))).rejects.toMatchObject({ code: 'MessageTooLarge' })
  expect(await timersFired(system)).toBe(0)
  await pass(clock, 6_000)
  expect(await timersFired(system)).toBe(1)
  await meanwhile(clock, system.drain())
})

test('an actor that is lost over and over is taken up after longer and longer pauses', async () => {
  const { clock, system, logged } = await bellSystem()
  await pass(clock, 11_000)
  await meanwhile(clock, system.get(bell, 'b').ask({ type: 'armLoud' }))
  await pass(clock, 300_000)
  const losses = logged.filter(({ text }) => text === 'actor lost').length
  // After 1, 2, 4, 8, 16 and 32 s, then every 60 s.
  expect(losses).toBeGreaterThanOrEqual(8)
  expect(losses).toBeLessThanOrEqual(11)
  await meanwhile(clock, system.drain())
})

test('a scan that fails for the same reason again and again is logged once', async () => {
  let scans = 0
  const backend = withJournal(memory(), (journal) => ({
    heads: (pattern) => {
      scans += 1
      if (scans <= 20) throw new Error('no leader now')
      return journal.heads(pattern)
    },
  }))
  const { clock, system, logged } = await bellSystem(backend)
  const failures = () => logged.filter(({ text }) => text.startsWith('the scan of a shard failed')).length
  await pass(clock, 9_000)
  expect(scans).toBeGreaterThan(5)
  expect(failures()).toBe(1)
  await pass(clock, 20_000)
  expect(scans).toBeGreaterThan(20)
  expect(failures()).toBe(1)
  await meanwhile(clock, system.drain())
})
