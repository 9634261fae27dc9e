import { beforeEach, expect, test } from 'vitest'
import { Subjects } from './address.ts'
import { seededEntropy } from './entropy.ts'
import { type MemoryConnection, memory } from './memory/backend.ts'
import { type ManualClock, manualClock } from './testing/manual-clock.ts'
import { Witness } from './witness.ts'

let clock: ManualClock
let ours: MemoryConnection
let theirs: MemoryConnection
let dead: string[]
let witness: Witness
let other: Witness

beforeEach(async () => {
  clock = manualClock()
  const world = memory()
  const connect = () => world.connect({ name: 'test', clock, entropy: seededEntropy('world') })
  ours = await connect()
  theirs = await connect()
  dead = []
  const witnessOf = ({ bus }: MemoryConnection) =>
    new Witness({ bus, subjects: new Subjects('default'), clock, onDead: (member) => dead.push(member) })
  witness = witnessOf(ours)
  other = witnessOf(theirs)
  other.answerFor('b-1')
})

async function advance(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 10) {
    clock.advance(10)
    for (let i = 0; i < 5; i++) await new Promise(setImmediate)
  }
}

test('witness/1: who answers lives; whom nobody hears three times over 240 ms is dead', async () => {
  await advance(2_000)
  witness.suspect('b-1')
  await advance(1_000)
  expect(dead).toEqual([])
  other.stop()
  witness.suspect('b-1')
  await advance(230)
  expect(dead).toEqual([])
  await advance(30)
  expect(dead).toEqual(['b-1'])
})

test('witness/1: one that comes to life again in between lives; its next incarnation does not answer for it', async () => {
  await advance(2_000)
  other.stop()
  witness.suspect('b-1')
  await advance(200)
  other.answerFor('b-1')
  await advance(1_000)
  expect(dead).toEqual([])
  other.answerFor('b-2')
  witness.suspect('b-1')
  witness.suspect('b-2')
  await advance(1_000)
  expect(dead).toEqual(['b-1'])
})

test('witness/1: silence says nothing', async () => {
  await advance(2_000)
  other.stop()
  theirs.bus.subscribe(new Subjects('default').node('b-1', 'alive'), () => {})
  witness.suspect('b-1')
  await advance(5_000)
  expect(dead).toEqual([])
})

test('witness/2: no verdict of one whose own connection is young, or breaks before it', async () => {
  other.stop()
  witness.suspect('b-1')
  await advance(1_900)
  witness.suspect('b-1')
  await advance(500)
  expect(dead).toEqual([])
  witness.suspect('b-1')
  await advance(200)
  ours.cut()
  ours.heal()
  await advance(1_900)
  witness.suspect('b-1')
  await advance(100)
  expect(dead).toEqual([])
  await advance(100)
  witness.suspect('b-1')
  await advance(400)
  expect(dead).toEqual(['b-1'])
})

test('witness/3: many suspicions are one question at a time', async () => {
  await advance(2_000)
  other.stop()
  let questions = 0
  theirs.bus.subscribe('tr.default.n.c-1.alive', ({ reply }) => {
    questions += 1
    if (reply !== undefined) clock.after(100, () => theirs.bus.publish(reply, new Uint8Array()))
  })
  for (let i = 0; i < 50; i++) witness.suspect('c-1')
  await advance(500)
  expect(questions).toBe(1)
  for (let i = 0; i < 50; i++) witness.suspect('b-1')
  await advance(500)
  expect(dead).toEqual(['b-1'])
})
