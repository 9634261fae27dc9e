import { expect, test } from 'vitest'
import { type Ack, outcomeOf } from './stored-publish.ts'

const ack = (text: string): Ack => ({ data: Buffer.from(`padding${text}`).subarray(7) })
const error = (code: number, description: string): Ack =>
  ack(JSON.stringify({ error: { code: 400, err_code: code, description }, stream: 'S', seq: 0 }))

test.each([
  ['{"stream":"S","seq":7}', 7],
  ['{"stream":"S", "seq":7}', 7],
  ['{"stream":"S","domain":"d","seq":123456789012,"duplicate":true}', 123456789012],
])('reads the position of %s', (text, position) => {
  expect(outcomeOf(ack(text), 'S', 's')).toEqual({ kind: 'stored', position })
})

test.each([
  ['conflict', error(10071, 'wrong last sequence: 3')],
  ['unknown', error(10164, 'wrong last sequence')],
  ['unknown', error(10008, 'JetStream system temporarily unavailable')],
  ['unknown', error(10077, 'write failed: no space left on device')],
  ['unknown', error(99999, 'something new')],
  ['unknown', ack('+OK')],
  ['unknown', 'no-responders' as const],
  ['refused', error(10077, 'maximum bytes exceeded')],
  ['refused', error(10077, 'maximum messages per subject exceeded')],
  ['refused', error(10054, 'message size exceeds maximum allowed')],
  ['refused', error(10060, 'expected stream does not match')],
  ['refused', error(10023, 'insufficient resources')],
])('%s (%#)', (kind, answer) => {
  expect(outcomeOf(answer, 'S', 's').kind).toBe(kind)
})
