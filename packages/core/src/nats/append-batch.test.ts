import { afterAll, beforeAll, expect, test } from 'vitest'
import { manualClock } from '../testing/manual-clock.ts'
import { natsServer, type TestServer } from '../testing/nats-server.ts'
import { bytes, connectOptions, text } from '../testing/world.ts'
import { AppendBatches } from './append-batch.ts'
import { nats } from './backend.ts'

let server: TestServer
beforeAll(async () => {
  server = await natsServer({ syncAlways: true })
})
afterAll(() => server?.end())

async function connected(namespace: string) {
  const { durabilityProof } = server.server
  return nats({ servers: server.url, initialise: true, namespace, durabilityProof }).connect(connectOptions())
}

test('batch/1: of 400 appends at once each has the position at which it is found', async () => {
  const { journal, durability, close } = await connected('many')
  expect(durability).toBe('r1-fsync')
  const subject = (i: number): string => `tr.many.j.main-0.t.k${i}`
  for (let round = 0; round < 3; round++) {
    const before = await Promise.all(Array.from({ length: 400 }, (_, i) => journal.last(subject(i))))
    const outcomes = await Promise.all(
      before.map((last, i) => journal.append(subject(i), last?.position ?? 0, bytes(`${round}:${i}`))),
    )
    const after = await Promise.all(before.map((_, i) => journal.last(subject(i))))
    expect(outcomes).toEqual(after.map((entry) => ({ kind: 'stored', position: entry?.position })))
    expect(after.map((entry) => entry && text(entry.bytes))).toEqual(before.map((_, i) => `${round}:${i}`))
  }
  await close()
})

test('batch/2: a stale member and one too large fail alone', async () => {
  const { journal, close } = await connected('stale')
  const subject = (i: number): string => `tr.stale.j.main-0.t.k${i}`
  await journal.append(subject(50), 0, bytes('first'))
  const outcomes = await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      journal.append(subject(i), 0, i === 70 ? new Uint8Array(2e6) : bytes(`${i}`)),
    ),
  )
  expect(outcomes.flatMap(({ kind }, i) => (kind === 'stored' ? [] : [[i, kind]]))).toEqual([
    [50, 'conflict'],
    [70, 'refused'],
  ])
  expect(text((await journal.last(subject(50)))?.bytes ?? bytes('?'))).toBe('first')
  await close()
})

test('batch/3: without a word of the server a batch is unknown to each of its members', async () => {
  const { journal, bus, close } = await connected('silent')
  const subject = (i: number): string => `tr.silent.j.main-0.t.k${i}`
  const written = Array.from({ length: 100 }, (_, i) => journal.append(subject(i), 0, bytes(`${i}`)))
  await server.server.kill()
  const kinds = (await Promise.all(written)).map(({ kind }) => kind)
  await server.start()
  while (!bus.connected) await new Promise((resolve) => setTimeout(resolve, 20))
  // The same bytes again: a conflict where they are stored, whatever was told.
  for (const [i, kind] of kinds.entries()) {
    const stored = await journal.last(subject(i))
    if (kind === 'stored') expect(stored && text(stored.bytes)).toBe(`${i}`)
    else
      expect(await journal.append(subject(i), 0, bytes(`${i}`))).toMatchObject({ kind: stored ? 'conflict' : 'stored' })
  }
  expect(kinds).toContain('unknown')
  await close()
})

test('batch/4: one at a time; few go alone, what comes during a batch goes with the next', async () => {
  const clock = manualClock()
  const log: string[] = []
  const answers: (() => void)[] = []
  const answered = (said: string, position: number) =>
    new Promise<{ kind: 'stored'; position: number }>((resolve) => {
      log.push(said)
      answers.push(() => resolve({ kind: 'stored', position }))
    })
  let position = 0
  const publisher = {
    publish: () => answered('alone', ++position),
    publishBatch: (messages: readonly unknown[]) =>
      answered(`batch of ${messages.length}`, (position += messages.length)),
  }
  const batches = new AppendBatches(publisher, clock, 'test')
  const append = (count: number) =>
    Array.from({ length: count }, () => batches.publish({ stream: 'S', subject: 's', bytes: new Uint8Array(1) }))
  const answerAll = async () => {
    for (const answer of answers.splice(0)) answer()
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }
  append(40)
  expect(log.splice(0)).toEqual(Array(16).fill('alone'))
  await answerAll()
  expect(log.splice(0)).toEqual(['batch of 24'])
  const later = append(30)
  clock.advance(8)
  await answerAll()
  expect(log).toEqual([])
  clock.advance(1)
  expect(log.splice(0)).toEqual(['batch of 30'])
  await answerAll()
  expect((await Promise.all(later)).map((outcome) => 'position' in outcome && outcome.position)).toEqual(
    Array.from({ length: 30 }, (_, i) => 41 + i),
  )
  append(3)
  clock.advance(1)
  expect(log).toEqual(Array(3).fill('alone'))
})
