/** Encrypted trees: `seal.ts`, and what becomes of them in a system. Sealed bytes that stay readable: `test/golden/sealed-v1.ndjson`. */
import { readFileSync } from 'node:fs'
import { beforeEach, describe, expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { Subjects } from './address.ts'
import { realClock } from './clock.ts'
import { hashOfBytes } from './codec.ts'
import { cryptoEntropy, seededEntropy } from './entropy.ts'
import { createSystem, defineActor, memory, memoryKeys, protocol } from './index.ts'
import type { KeyStore } from './ports.ts'
import { recover } from './recovery.ts'
import { frames, replayActor, replayAll } from './replay/index.ts'
import { SealReader, TreeSeal } from './seal.ts'
import { decodeRecord, encodeRecord, type JournalRecord, KEYED_HASH_VERSION } from './step.ts'
import { eventually } from './testing/eventually.ts'
import { shapeProblems, undescribed } from './testing/json-schema.ts'
import { Stage, type World, world } from './testing/stage.ts'

const GOLDEN = '../../../test/golden/sealed-v1.ndjson'
const schema = JSON.parse(readFileSync(new URL('../schema/journal-record-v1.schema.json', import.meta.url), 'utf8'))
const subjects = new Subjects('default')
const KEY = new Uint8Array(32).fill(7)
const SECRET = 'a diagnosis'

const says = protocol('patient', {
  events: { note: z.object({ text: z.string() }), wait: z.object({}) },
  replies: { wait: z.string() },
})
const patientThat = (encrypted: boolean) =>
  defineActor(says, {
    encrypted,
    logic: setup({ types: says.types<{ notes: string[] }>() }).createMachine({
      context: { notes: [] },
      on: { note: { actions: assign({ notes: ({ context, event }) => [...context.notes, event.text] }) }, wait: {} },
    }),
  })
const patient = patientThat(true)

let here: World
let keys: KeyStore
beforeEach(async () => {
  here = await world()
  keys = memoryKeys()
  await keys.create('patient/k', KEY)
})

const sealOf = (seals = true, from = keys, seed = 'nonces') =>
  new TreeSeal({ address: 'patient/k', keys: from, entropy: seededEntropy(seed), seals })

async function stage(epoch = 1, seal = sealOf(true, keys, `nonces ${epoch}`)): Promise<Stage> {
  return new Stage({ def: patient, ...here, epoch, seal, logicHash: 'golden-patient' }).activate()
}

/** A small state, then a large one that leaves it: sealed records with and without a state. */
async function written(seal?: TreeSeal): Promise<Stage> {
  const actor = await stage(1, seal)
  for (const text of [SECRET, 'x'.repeat(5_000), 'better', 'well']) {
    actor.ask({ type: 'note', text })
    await actor.advance(10)
  }
  return actor
}

const textOf = (record: JournalRecord) => new TextDecoder().decode(encodeRecord(record))

describe('seal/1: what records say is sealed, and opens to what was said', () => {
  test('nothing of an event or a state is in the bytes; a new incarnation has the state', async () => {
    const actor = await written()
    const records = await actor.records()
    for (const record of records) {
      expect(record).toMatchObject({ steps: [], hashVersion: KEYED_HASH_VERSION, sealed: expect.any(String) })
      expect(record).not.toHaveProperty('state')
      for (const word of [SECRET, 'note', 'better']) expect(textOf(record)).not.toContain(word)
    }
    const before = await actor.context()
    actor.resident.stop()
    expect(await (await stage(2)).context()).toEqual(before)
  })

  test('replay and frames with the key match; without a key store they say what is missing', async () => {
    const actor = await written()
    const report = await replayActor(actor.journal, subjects, 'patient/k', patient, keys)
    expect(report).toMatchObject({ steps: 5, mismatches: 0, unchecked: 0, complete: true })
    expect(await frames(actor.journal, subjects, 'patient/k', patient, keys).at(2)).toMatchObject({
      step: { input: { event: { text: SECRET } } },
      after: { context: { notes: [SECRET] } },
    })
    const blind = await replayActor(actor.journal, subjects, 'patient/k', patient)
    expect(blind.divergence).toMatchObject({ actual: expect.stringContaining('read it with the key store') })
  })

  test('one plaintext gives another text each time', async () => {
    const seal = sealOf()
    await seal.prepare(undefined)
    const [record] = await (await written(sealOf(false))).records()
    if (record === undefined) throw new Error('no record')
    expect(Buffer.from(seal.encode(record))).not.toEqual(Buffer.from(seal.encode(record)))
  })

  test('a type that is encrypted from now on opens its old records, and one that no longer is its sealed ones', async () => {
    const open = await written(sealOf(false))
    expect((await open.records())[0]?.steps).toHaveLength(1)
    open.resident.stop()
    const second = await stage(2)
    second.ask({ type: 'note', text: 'late' }, { client: 'second' })
    await second.quiet()
    expect((await second.records()).at(-1)).toMatchObject({ steps: [], epoch: 2 })
    const before = await second.context()
    second.resident.stop()
    const third = await stage(3, sealOf(false))
    expect(await third.context()).toEqual(before)
    expect((await third.records()).at(-1)).toMatchObject({ epoch: 3, state: { seq: 6 } })
  })

  test('the records of the first format stay readable', async () => {
    const actor = await written()
    const text = (await actor.records()).map((record) => `${textOf(record)}\n`).join('')
    await expect(text).toMatchFileSnapshot(GOLDEN)
    const reader = new SealReader(keys)
    const notes: unknown[] = []
    for (const line of readFileSync(new URL(GOLDEN, import.meta.url), 'utf8')
      .trimEnd()
      .split('\n')) {
      const record = decodeRecord(Buffer.from(line), 'patient/k')
      expect([...shapeProblems(schema, JSON.parse(line)), ...undescribed(schema, JSON.parse(line))]).toEqual([])
      await reader.prepare(record)
      notes.push(...(reader.open(record)?.steps ?? []).map(({ input }) => input))
    }
    expect(notes).toHaveLength(5)
    expect(notes[1]).toMatchObject({ kind: 'message', event: { type: 'note', text: SECRET } })
  })
})

describe('seal/2: the chain runs over what is stored', () => {
  test('it is checked without the key', async () => {
    let prev = ''
    for (const record of await (await written()).records()) {
      expect(record.prev).toBe(prev)
      prev = hashOfBytes(encodeRecord(record))
    }
  })
})

test('seal/3: the hash outside is keyed: equal states of two trees do not show', async () => {
  const hashes = new Set<string>()
  for (const byte of [1, 2]) {
    here = await world()
    const own = memoryKeys()
    await own.create('patient/k', new Uint8Array(32).fill(byte))
    hashes.add((await (await written(sealOf(true, own))).records())[1]?.hash ?? '')
  }
  here = await world()
  hashes.add((await (await written(sealOf(false))).records())[1]?.hash ?? '')
  expect(hashes.size).toBe(3)
})

describe('seal/4: what is outside is bound to what is inside', () => {
  test.each<[string, (record: JournalRecord, other: JournalRecord) => JournalRecord]>([
    ['a sealed part of another place', (record, other) => ({ ...record, sealed: other.sealed ?? '' })],
    ['another base', (record) => ({ ...record, base: record.base + 1 })],
    ['another writer', (record) => ({ ...record, writer: '0'.repeat(32) })],
    ['another epoch', (record) => ({ ...record, epoch: record.epoch + 1 })],
    ['another hash', (record) => ({ ...record, hash: 'A'.repeat(43) })],
    ['a changed byte', (record) => ({ ...record, sealed: `A${record.sealed?.slice(1)}` })],
    ['a sealed part that was cut', (record) => ({ ...record, sealed: record.sealed?.slice(0, 12) ?? '' })],
  ])('%s: LogDamaged', async (_, change) => {
    const [first, second] = await (await written()).records()
    if (first === undefined || second === undefined) throw new Error('two records')
    const seal = sealOf()
    await seal.prepare(first)
    expect(seal.open(second).steps).toHaveLength(1)
    expect(() => seal.open(change(second, first))).toThrow(expect.objectContaining({ code: 'LogDamaged' }))
  })
})

describe('seal/5: a destroyed key is never made again', () => {
  test('the log reads as erased: recovery, replay, all readers', async () => {
    const actor = await written()
    actor.resident.stop()
    await keys.destroy('patient/k')
    const next = await stage(2)
    expect(next.lost).toMatchObject({ code: 'ActorErased' })
    await expect(recover(actor.journal, actor.subject, 'patient/k', patient, '', sealOf())).rejects.toMatchObject({
      code: 'ActorErased',
      retryable: false,
    })
    const report = await replayActor(actor.journal, subjects, 'patient/k', patient, keys)
    expect(report).toMatchObject({ erased: true, complete: false, steps: 0, mismatches: 0, appends: 5 })
    expect(report).not.toHaveProperty('divergence')
    expect(await frames(actor.journal, subjects, 'patient/k', patient, keys).at(2)).toBeUndefined()
  })

  test('a key that is only missing is not taken for a destroyed one, and none is made over a sealed log', async () => {
    const actor = await written()
    actor.resident.stop()
    const empty = memoryKeys()
    const next = await stage(2, sealOf(true, empty))
    expect(next.lost).toMatchObject({ code: 'LogUnavailable' })
    expect(await empty.find('patient/k')).toBeUndefined()
  })
})

describe('in a system', () => {
  const reader = (backend: ReturnType<typeof memory>) =>
    backend.connect({ name: 'reader', clock: realClock(), entropy: cryptoEntropy() })

  test('a type says that it is encrypted, and nothing else changes', async () => {
    const backend = memory()
    for (const text of [SECRET, 'well']) {
      await using system = await createSystem({ actors: [patient], backend, shards: 4 })
      await system.get(patient, 'a').ask({ type: 'note', text })
    }
    await using system = await createSystem({ actors: [patient], backend, shards: 4 })
    const ref = system.get(patient, 'a')
    expect((await ref.snapshot()).context.notes).toEqual([SECRET, 'well'])
    const states: string[][] = []
    for await (const { context } of ref.changes({ from: 1 })) if (states.push([...context.notes]) === 3) break
    expect(states).toEqual([[], [SECRET], [SECRET, 'well']])
    const { journal } = await reader(backend)
    for await (const { bytes } of journal.read(subjects.journals())) {
      expect(Buffer.from(bytes).toString()).not.toContain(SECRET)
    }
  })

  test('erased: the key and the actor are gone, for callers, readers and its mail, on every node', async () => {
    const backend = memory()
    const own = memoryKeys()
    const node = () => createSystem({ actors: [patient], backend, shards: 4, keys: own })
    {
      await using system = await node()
      const ref = system.get(patient, 'a')
      await ref.ask({ type: 'note', text: SECRET })
      await system.get(patient, 'b').ask({ type: 'note', text: 'stays' })
      await system.destroy(ref, { erase: true, reason: 'asked for' })
      expect(await own.find('patient/a')).toBe('destroyed')
      await expect(ref.ask({ type: 'note', text: 'again' })).rejects.toMatchObject({ code: 'ActorErased' })
      await expect(ref.snapshot()).rejects.toMatchObject({ code: 'ActorErased' })
      await system.destroy(ref, { erase: true })
    }
    await using system = await node()
    const ref = system.get(patient, 'a')
    for (const order of [system.start(ref), system.reset(ref)]) {
      await expect(order).rejects.toMatchObject({ code: 'ActorErased' })
    }
    const states = ref.changes({ from: 1 })[Symbol.asyncIterator]()
    await expect(states.next()).rejects.toMatchObject({ code: 'ActorErased' })
    await ref.deliver({ type: 'note', text: 'by mail' })
    const dead = async () => (await Array.fromAsync(system.deadLetters('patient'))).map(({ reason }) => reason)
    await eventually(async () => (await dead()).length > 0, { withinMs: 5_000 })
    expect(await dead()).toEqual(['ActorErased'])
    const summary = await replayAll((await reader(backend)).journal, subjects, [patient], own)
    expect(summary).toMatchObject({ mismatches: 0, complete: false })
    expect(summary.actors.map(({ actor, erased = false }) => [actor, erased])).toEqual([
      ['patient/a', true],
      ['patient/b', false],
    ])
    expect((await system.get(patient, 'b').snapshot()).context.notes).toEqual(['stays'])
  })

  test('an erasing that was cut short after the tombstone is finished when the order comes again', async () => {
    let failures = 0
    const flaky: KeyStore = {
      ...keys,
      destroy: async (address) => {
        if (failures++ === 0) throw new Error('no leader now')
        await keys.destroy(address)
      },
    }
    await using system = await createSystem({ actors: [patient], shards: 4, keys: flaky })
    const ref = system.get(patient, 'a')
    await ref.ask({ type: 'note', text: SECRET })
    await system.destroy(ref, { erase: true })
    expect(failures).toBe(2)
    expect(await keys.find('patient/a')).toBe('destroyed')
    const later = system.get(patient, 'b')
    await later.ask({ type: 'note', text: SECRET })
    await system.destroy(later)
    await expect(later.ask({ type: 'note', text: 'again' })).rejects.toMatchObject({ code: 'ActorDestroyed' })
    await system.destroy(later, { erase: true })
    await expect(later.ask({ type: 'note', text: 'again' })).rejects.toMatchObject({ code: 'ActorErased' })
  })

  test('what is not encrypted cannot be erased, and a volatile actor not be encrypted', async () => {
    const plain = patientThat(false)
    await using system = await createSystem({ actors: [plain], shards: 4 })
    const ref = system.get(plain, 'a')
    await ref.ask({ type: 'note', text: 'kept' })
    await expect(system.destroy(ref, { erase: true })).rejects.toMatchObject({ code: 'LogicRefused' })
    expect((await ref.snapshot()).context.notes).toEqual(['kept'])
    const given = { logic: plain.logic, encrypted: true, persistence: 'volatile' } as const
    expect(() => defineActor(says, given)).toThrow(expect.objectContaining({ code: 'LogicRefused' }))
  })
})
