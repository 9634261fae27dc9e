import { beforeEach, describe, expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { defineActor } from './actor.ts'
import { Subjects } from './address.ts'
import { changesOf } from './changes.ts'
import { hashOfBytes } from './codec.ts'
import { protocol } from './protocol.ts'
import { recover, recoverWithoutState } from './recovery.ts'
import { frames, replayActor } from './replay/index.ts'
import { LogTrim, type Retention } from './retention.ts'
import { encodeRecord, type JournalRecord } from './step.ts'
import { Stage, type World, world } from './testing/stage.ts'

const says = protocol('tally', { events: { add: z.object({ n: z.number() }), fill: z.object({ size: z.number() }) } })
const tally = defineActor(says, {
  logic: setup({ types: says.types<{ sum: number; text: string }>() }).createMachine({
    context: { sum: 0, text: '' },
    on: {
      add: { actions: assign({ sum: ({ context, event }) => context.sum + event.n }) },
      fill: { actions: assign({ text: ({ event }) => 'x'.repeat(event.size) }) },
    },
  }),
})

let here: World
let said: string[]
beforeEach(async () => {
  here = await world()
  said = []
})

async function stage(retention: Retention, epoch = 1, journal = {}): Promise<Stage> {
  const subject = new Subjects('default').journal('main-0', 'tally/k')
  const onLog = (text: string) => said.push(text)
  const { clock, connection } = here
  const below = { purge: (of: string, position: number) => connection.journal.purge(of, position), ...journal }
  const trimmed = { read: (of: string) => connection.journal.read(of), ...below }
  const whole = { ...journalOf(here), ...trimmed }
  const trim = new LogTrim({
    address: 'tally/k',
    subject,
    retention,
    journal: whole,
    clock,
    open: (record) => record,
    onLog,
  })
  return new Stage({ def: tally, ...here, epoch, trim }).activate()
}

function journalOf({ connection: { journal } }: World) {
  return {
    streamId: journal.streamId,
    append: (subject: string, expected: number, bytes: Uint8Array) => journal.append(subject, expected, bytes),
    last: (subject: string) => journal.last(subject),
    heads: (pattern: string) => journal.heads(pattern),
    follow: (pattern: string, options: { signal: AbortSignal }) => journal.follow(pattern, options),
  }
}

const add = async (actor: Stage, times: number, eachMs = 10): Promise<void> => {
  for (let i = 0; i < times; i++) {
    const n = actor.resident.listing().seq
    actor.ask({ type: 'add', n: 1 }, { command: { client: 'adder', n, settled: n - 1 } })
    await actor.advance(eachMs)
  }
}
const seqsIn = (records: readonly JournalRecord[]) => records.flatMap(({ steps }) => steps.map(({ seq }) => seq))

describe('retention/1: a log begins with a state, and the newest state with all behind it stays', () => {
  test('so many steps stay, and few more', async () => {
    const actor = await stage({ steps: 20 })
    await add(actor, 100)
    const records = await actor.records()
    expect(seqsIn(records).length).toBeGreaterThanOrEqual(20)
    expect(seqsIn(records).length).toBeLessThanOrEqual(25)
    expect(seqsIn(records).at(-1)).toBe(101)
    expect(records[0]).toMatchObject({ base: 0, state: { seq: seqsIn(records)[0] } })
  })

  test('a state of many steps ago keeps those behind it', async () => {
    const actor = await stage({ steps: 5 })
    actor.ask({ type: 'fill', size: 9_000 })
    await actor.quiet()
    await add(actor, 60)
    const found = await recover(actor.journal, actor.subject, 'tally/k', tally, 'today')
    expect(found).toMatchObject({ seq: 62, base: 1 })
    await add(actor, 60)
    expect((await actor.records())[0]).toMatchObject({ state: { seq: 101 } })
    actor.resident.stop()
    expect(await (await stage({ steps: 5 }, 2)).context()).toMatchObject({ sum: 120 })
  })

  test('what is younger stays; an actor that has rested for long is trimmed when it comes back', async () => {
    const actor = await stage({ ageMs: 60_000 })
    await add(actor, 10)
    expect(seqsIn(await actor.records())).toHaveLength(11)
    await add(actor, 10, 30_000)
    expect((await actor.records())[0]?.steps[0]?.at).toBeGreaterThan(here.clock.now() - 130_000)
    await actor.resident.drain()
    await actor.advance(3_600_000)
    const next = await stage({ ageMs: 60_000 }, 2)
    await add(next, 2)
    expect(seqsIn(await next.records())).toEqual([22, 23])
    expect(await next.context()).toMatchObject({ sum: 22 })
  })

  test('fencing stays right: a writer that has not heard of the removal is fenced as ever', async () => {
    const old = await stage({ steps: 5 })
    await add(old, 10)
    const next = await stage({ steps: 5 }, 2)
    await add(next, 20)
    await add(old, 1)
    expect(old.lost).toEqual({ code: 'Moved', fenced: true })
    await add(next, 1)
    expect(next.lost).toBeUndefined()
    expect(await next.context()).toMatchObject({ sum: 31 })
  })
})

describe('retention/2: what leaves is said in the log first', () => {
  test('a removal follows a committed record that names it', async () => {
    const removed: { readonly below: number; readonly noted: number }[] = []
    const actor = await stage({ steps: 10 }, 1, {
      purge: async (subject: string, below: number) => {
        const newest = (await here.connection.journal.last(subject))?.bytes ?? new Uint8Array()
        removed.push({ below, noted: Number(/"kept":(\d+)/.exec(Buffer.from(newest).toString())?.[1]) })
        await here.connection.journal.purge(subject, below)
      },
    })
    await add(actor, 60)
    expect(removed.length).toBeGreaterThan(3)
    for (const { below, noted } of removed) expect(below).toBe(noted)
  })

  test('a promise that its process did not keep is kept by the next one', async () => {
    const lost = { purge: () => new Promise<void>(() => {}) }
    const actor = await stage({ steps: 10 }, 1, lost)
    await add(actor, 30)
    expect(seqsIn(await actor.records())).toHaveLength(31)
    actor.resident.stop()
    await stage({ steps: 1_000 }, 2)
    expect(seqsIn(await actor.records()).length).toBeLessThan(31)
  })

  const read = async (retention: Retention = { steps: 10 }) => {
    const actor = await stage(retention)
    await add(actor, 40)
    return actor
  }

  test('replay of the rest is not complete, and matches', async () => {
    const actor = await read()
    const [first] = seqsIn(await actor.records())
    const report = await replayActor(actor.journal, new Subjects('default'), 'tally/k', tally)
    expect(report).toMatchObject({ complete: false, firstStep: first, mismatches: 0, unchecked: 0 })
    expect(report).not.toHaveProperty('divergence')
  })

  test('frames begin where the log does', async () => {
    const actor = await read()
    const walk = frames(actor.journal, new Subjects('default'), 'tally/k', tally)
    const seen: number[] = []
    for await (const { step, divergence } of walk) {
      seen.push(step.seq)
      expect(divergence).toBeUndefined()
    }
    expect(seen).toEqual(seqsIn(await actor.records()))
    expect(await walk.at(3)).toBeUndefined()
    expect(await walk.at(40)).toMatchObject({ before: { context: { sum: 38 } }, after: { context: { sum: 39 } } })
  })

  test('changes from a step that is gone says so with the first state that is there', async () => {
    const actor = await read()
    const [first = 0] = seqsIn(await actor.records())
    const parts = {
      address: 'tally/k' as const,
      def: tally,
      journal: actor.journal,
      subjects: new Subjects('default'),
      clock: here.clock,
      look: () => Promise.reject(new Error('nobody looks')),
    }
    const told = async (from: number, n: number) => {
      const views: unknown[] = []
      for await (const view of changesOf(parts, { from })) if (views.push(view) === n) break
      return views
    }
    expect(await told(3, 2)).toMatchObject([
      { seq: first, complete: false, context: { sum: first - 1 } },
      { seq: first + 1, context: { sum: first } },
    ])
    for (const from of [first, first + 2]) {
      const [view] = await told(from, 1)
      expect(view).toMatchObject({ seq: from })
      expect(view).not.toHaveProperty('complete')
    }
  })

  test.each<[string, (records: JournalRecord[]) => JournalRecord[]]>([
    ['a log that begins later than it says', (records) => records.slice(2)],
    ['a log without a word of a removal', (records) => records.slice(2).map(({ kept: _, ...record }) => record)],
  ])('%s is damaged', async (_, change) => {
    const records = change(await (await read()).records())
    here = await world()
    const copy = new Stage({ def: tally, ...here })
    // Positions of the copy begin at 1: what is noted is moved along.
    let [position, prev] = [0, records[0]?.prev ?? '']
    for (const record of records) {
      const bytes = encodeRecord({ ...record, prev, ...(record.kept !== undefined && { kept: 1 }) })
      const moved = position === 0 ? await padded(copy, 3) : position
      const outcome = await copy.journal.append(copy.subject, moved, bytes)
      if (outcome.kind !== 'stored') throw new Error(outcome.kind)
      position = outcome.position
      prev = hashOfBytes(bytes)
    }
    await copy.journal.purge(copy.subject, 4)
    const report = await replayActor(copy.journal, new Subjects('default'), 'tally/k', tally)
    expect(report).toMatchObject({ mismatches: 1, divergence: { cause: 'log-damaged', actual: 'position 4' } })
  })
})

/** A log that begins at a later position. */
async function padded({ journal, subject }: Stage, entries: number): Promise<number> {
  let position = 0
  for (let i = 0; i < entries; i++) {
    const outcome = await journal.append(subject, position, Buffer.from('{}'))
    if (outcome.kind === 'stored') position = outcome.position
  }
  return position
}

describe('retention/3: a removal takes nothing that another one needs', () => {
  test('a base that leaves while its log is read is read again, not taken for damage', async () => {
    const actor = await stage({ steps: 5 })
    actor.ask({ type: 'fill', size: 9_000 })
    await actor.quiet()
    await add(actor, 20)
    for (const read of [
      (journal: Stage['journal']) => recover(journal, actor.subject, 'tally/k', tally, 'today'),
      (journal: Stage['journal']) => recoverWithoutState(journal, actor.subject, 'tally/k'),
    ]) {
      const seen = await actor.journal.last(actor.subject)
      const lasts = [seen]
      const racing = {
        ...actor.journal,
        last: async (subject: string) => lasts.shift() ?? actor.journal.last(subject),
      }
      await add(actor, 120)
      await expect(read(racing)).rejects.toMatchObject({ code: 'LogUnavailable', retryable: true })
    }
  })
})

test('retention/4: a log that cannot be trimmed stays whole, and that is said', async () => {
  const actor = await stage({ steps: 5 }, 1, { purge: () => Promise.reject(new Error('purge is denied')) })
  await add(actor, 30)
  expect(seqsIn(await actor.records())).toHaveLength(31)
  expect(said).toEqual(['the log of an actor could not be trimmed'])
  expect(await actor.context()).toMatchObject({ sum: 30 })
})

test.each([{}, { steps: 0 }, { ageMs: -1 }, { steps: 1.5 }])('a retention of %j is refused', (retention) => {
  expect(() => defineActor(says, { logic: tally.logic, retention })).toThrow(
    expect.objectContaining({
      code: 'LogicRefused',
      message: expect.stringContaining('retention needs steps or ageMs'),
    }),
  )
})
