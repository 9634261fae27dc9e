import { expect, test } from 'vitest'
import { bytes, connectOptions, text } from '../testing/world.ts'
import { memory } from './backend.ts'

const SUBJECT = 'tr.default.j.main-0.t.a'

test('1: connections of one object share a world, two objects never do', async () => {
  const [one, other] = [memory(), memory()]
  const [a, b, c] = [
    await one.connect(connectOptions()),
    await one.connect(connectOptions()),
    await other.connect(connectOptions()),
  ]
  const heard: string[] = []
  b.bus.subscribe('x', () => void heard.push('b'))
  c.bus.subscribe('x', () => void heard.push('c'))
  a.bus.publish('x', bytes(''))
  await a.bus.flush()
  await a.journal.append(SUBJECT, 0, bytes('1'))
  expect(heard).toEqual(['b'])
  expect(await b.journal.last(SUBJECT)).toBeDefined()
  expect(await c.journal.last(SUBJECT)).toBeUndefined()
  expect(c.journal.streamId).not.toBe(a.journal.streamId)
})

test('a cut hits one connection: what had left arrives, its answer is lost, and others go on', async () => {
  const backend = memory()
  const [a, b] = [await backend.connect(connectOptions()), await backend.connect(connectOptions())]
  const append = a.journal.append(SUBJECT, 0, bytes('left before'))
  a.cut()
  expect(await append).toMatchObject({ kind: 'unknown' })
  expect(text((await b.journal.last(SUBJECT))?.bytes ?? bytes(''))).toBe('left before')
  expect(await a.journal.append(SUBJECT, 1, bytes('never left'))).toMatchObject({ kind: 'unknown' })
  expect((await b.journal.last(SUBJECT))?.position).toBe(1)
  const answers: unknown[] = []
  a.bus.subscribe('only.a', () => undefined)
  const reply = b.bus.openReply((answer) => void answers.push(answer))
  b.bus.publish('only.a', bytes(''), { reply: reply.subject })
  await b.bus.flush()
  expect(answers).toEqual(['no-responders'])
  a.heal()
  expect(await a.journal.append(SUBJECT, 1, bytes('after'))).toMatchObject({ kind: 'stored', position: 2 })
})
