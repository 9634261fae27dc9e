/** Commands, views and their answers byte by byte (`test/golden/frames.json`): what stock clients rely on. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { encode } from './codec.ts'
import { answerToWire, decodeAnswer, decodeEnvelope } from './envelope.ts'
import { lettersIn, packLetters } from './letter.ts'
import { packWire } from './wire.ts'

const golden = z
  .object({ frames: z.array(z.object({ name: z.string(), json: z.record(z.string(), z.unknown()), hex: z.string() })) })
  .transform(({ frames }) => (name: string) => {
    const found = frames.find((frame) => frame.name === name)
    if (found === undefined) throw new Error(`no frame '${name}'`)
    return { ...found, data: new Uint8Array(Buffer.from(found.hex, 'hex')) }
  })
  .parse(JSON.parse(readFileSync(new URL('../../../test/golden/frames.json', import.meta.url), 'utf8')))

const asked = (n: number) => ({ correlation: `c-${n}`, causation: `client:c-${n}` })
const event = encode({ type: 'pay', cents: 500, note: undefined, at: 7n, sign: new Uint8Array([1]) })
const command = { client: 'b1', n: 3, settled: 2 }
const refusal = { code: 'EventNotAccepted', message: 'no', retryable: false, applied: 'no' } as const
const details = { reason: 'state', accepts: ['cancel'] }

test.each<[name: string, made: object]>([
  ['command', { v: 1, kind: 'event', to: 'order/7', event, cause: asked(1), command, remainingMs: 5_000, key: 'k' }],
  ['view', { v: 1, kind: 'view', to: 'order/7', fenced: false, cause: asked(2) }],
  ['answer', answerToWire({ ok: true, value: { paid: 500 }, step: 'order/7#3:13' })],
  ['answer of a refusal', answerToWire({ ok: false, error: { ...refusal, details }, step: 'order/7#3:14' })],
  ['observation', { v: 1, event: encode({ type: 'paid', cents: 500 }), step: 'order/7#3:13' }],
])("'%s' is sent byte by byte", (name, made) => {
  expect(Buffer.from(packWire(made)).toString('hex')).toBe(golden(name).hex)
})

test.each(['command', 'view'])("'%s' is read by a node", (name) => {
  expect(decodeEnvelope(golden(name).data, false, 'order/7', () => 'fresh')).toEqual(golden(name).json)
})

test.each(['answer', 'answer of a refusal'])("'%s' is read by a client", (name) => {
  expect(decodeAnswer(golden(name).data)).toEqual(golden(name).json)
})

const letter = { event: encode({ type: 'pay', cents: 500 }), cause: asked(3), command: { client: 'mail-1', n: 4 } }
const expiring = { ...letter, command: { client: 'mail-1', n: 5 }, key: 'k', expiresAt: 1_764_057_600_000 }

test('mail is sent byte by byte, and read by a node', () => {
  const { data } = golden('mail')
  expect(Buffer.from(packLetters([letter, expiring]))).toEqual(Buffer.from(data))
  const entry = { subject: 'tr.n.m.main-0.order.7', position: 9, bytes: data, headers: {}, storedAt: 0 }
  const read = lettersIn(entry, 'order/7', 'id').map(({ content }) => content)
  expect(read).toMatchObject([letter, expiring])
  expect(read[0]).not.toHaveProperty('expiresAt')
})
