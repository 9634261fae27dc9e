import { beforeEach, describe, expect, test } from 'vitest'
import { type Append, append, type Fate } from './append.ts'
import { seededEntropy } from './entropy.ts'
import { memory } from './memory/backend.ts'
import type { Journal } from './ports.ts'
import { encodeRecord, type JournalRecord } from './step.ts'
import { type ManualClock, manualClock } from './testing/manual-clock.ts'
import { type ScriptedJournal, scriptedJournal } from './testing/scripted-journal.ts'

const SUBJECT = 'tr.default.j.main-0.counter.a'
const recordOf = (writer: string, epoch = 1): Uint8Array => {
  const record: JournalRecord = {
    v: 1,
    actor: 'counter/a',
    epoch,
    writer,
    prev: '',
    logic: 'l',
    steps: [],
    base: 0,
    hash: 'h',
    hashVersion: 1,
    open: { asks: 0, effects: 0, timers: 0, sends: 0 },
  }
  return encodeRecord(record)
}
const mine = recordOf('mine')

let below: Journal
let journal: ScriptedJournal
let clock: ManualClock

beforeEach(async () => {
  clock = manualClock()
  below = (await memory().connect({ name: 'test', clock, entropy: seededEntropy(1) })).journal
  journal = scriptedJournal(below)
})

/** Runs an append to its end; time passes whenever it waits. */
async function settle(more: Partial<Append> = {}, on: Journal = journal): Promise<Fate> {
  let fate: Fate | undefined
  void append(on, clock, { subject: SUBJECT, expected: 0, bytes: mine, goOn: () => true, ...more }).then((end) => {
    fate = end
  })
  while (fate === undefined) {
    await new Promise(setImmediate)
    if (clock.waiting > 0) clock.advance(1_000)
  }
  return fate
}

async function stored(): Promise<string[]> {
  const texts: string[] = []
  for await (const entry of below.read('>')) texts.push(Buffer.from(entry.bytes).toString())
  return texts
}

test('an acknowledged append is committed at its position', async () => {
  expect(await settle()).toEqual({ kind: 'committed', position: 1 })
  expect(await settle({ expected: 1, bytes: recordOf('mine', 2) })).toEqual({ kind: 'committed', position: 2 })
})

describe('append/1: mine means that the stored bytes are the ones I sent', () => {
  test('landed, and the acknowledgement lost: the resend meets a conflict and finds itself', async () => {
    journal.script.push('lost')
    expect(await settle()).toEqual({ kind: 'committed', position: 1 })
    expect(await stored()).toHaveLength(1)
  })

  test('the same epoch and sequence by another writer is not mine', async () => {
    await below.append(SUBJECT, 0, recordOf('other'))
    expect(await settle()).toEqual({ kind: 'fenced' })
  })

  test('landed, then followed by another writer before I could learn of it: fenced', async () => {
    journal.script.push(async (go) => {
      await go()
      await below.append(SUBJECT, 1, recordOf('other', 2))
      return { kind: 'unknown', cause: new Error('timeout') }
    })
    expect(await settle()).toEqual({ kind: 'fenced' })
  })
})

describe('append/2: an unknown outcome is never told; the same bytes go again', () => {
  test('until they are stored, byte for byte, with growing pauses', async () => {
    journal.script.push('dropped', 'dropped', 'dropped', 'lost')
    const startMs = clock.monotonic()
    expect(await settle()).toEqual({ kind: 'committed', position: 1 })
    expect(journal.appends).toHaveLength(5)
    for (const { subject, expected, bytes } of journal.appends) {
      expect([subject, expected, Buffer.from(bytes).toString()]).toEqual([SUBJECT, 0, Buffer.from(mine).toString()])
    }
    expect(clock.monotonic()).toBeGreaterThan(startMs)
    expect(await stored()).toEqual([Buffer.from(mine).toString()])
  })

  test('a copy of the first try that lands late is still the one append', async () => {
    let late: (() => Promise<unknown>) | undefined
    journal.script.push(async (go) => {
      late = go
      return { kind: 'unknown', cause: new Error('timeout') }
    })
    journal.script.push(async (go) => {
      await late?.()
      return go()
    })
    expect(await settle()).toEqual({ kind: 'committed', position: 1 })
    expect(await stored()).toHaveLength(1)
  })

  test('a caller that gives up learns nothing but that', async () => {
    journal.script.push('lost')
    let tries = 0
    expect(await settle({ goOn: () => tries++ === 0 })).toEqual({ kind: 'abandoned' })
  })
})

describe('append/3: a conflict is read from the leader before it is judged', () => {
  test('the expected record is still the last: not landed, sent again', async () => {
    journal.script.push(async () => ({ kind: 'conflict' }))
    expect(await settle()).toEqual({ kind: 'committed', position: 1 })
    expect(journal.appends).toHaveLength(2)
  })

  test('no leader to be read from: sent again', async () => {
    let reads = 0
    const flaky = scriptedJournal(below, {
      last: (subject) => (reads++ === 0 ? Promise.reject(new Error('no leader')) : below.last(subject)),
    })
    flaky.script.push('lost')
    expect(await settle({}, flaky)).toEqual({ kind: 'committed', position: 1 })
    expect(flaky.appends).toHaveLength(3)
  })

  test('a record of a newer format is another writer, not damage', async () => {
    await below.append(SUBJECT, 0, Buffer.from(JSON.stringify({ v: 2, whatever: true })))
    expect(await settle()).toEqual({ kind: 'fenced' })
  })

  test.each([
    ['nothing where something was acknowledged', 5, undefined],
    ['an older record than the acknowledged one', 9, recordOf('mine')],
    ['bytes that are no record', 0, Buffer.from('garbage')],
    ['a record with fields missing', 0, Buffer.from('{"v":1}')],
  ])('%s: the log is damaged', async (_, expected, present) => {
    if (present !== undefined) await below.append(SUBJECT, 0, present)
    expect(await settle({ expected })).toMatchObject({ kind: 'damaged', why: expect.any(String) })
  })
})

test('what the journal will not take is refused, once', async () => {
  journal.script.push('refused')
  expect(await settle()).toMatchObject({ kind: 'refused', cause: { message: 'the store is full' } })
  expect(journal.appends).toHaveLength(1)
  expect(await settle({ bytes: new Uint8Array(1_000_001) })).toMatchObject({ kind: 'refused' })
})
