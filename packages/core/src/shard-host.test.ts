import { expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { createSystem, defineActor, memory, protocol } from './index.ts'
import type { MemoryConnection } from './memory/backend.ts'
import type { Backend, Journal } from './ports.ts'

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
