import { describe, expect, test } from 'vitest'
import { MAX_EVENT_CHARS, type SseEvent, SseReader, SseTooLarge } from './sse.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

function readAll(chunks: readonly Uint8Array[]): SseEvent[] {
  const reader = new SseReader()
  return chunks.flatMap((chunk) => reader.read(chunk))
}

/** Every kind of line, and characters of one to four bytes. */
const LINES = [
  '\uFEFF: a comment',
  'event: delta',
  'data: {"a": "é€👍🏽"}',
  'id: 7',
  'retry: 10',
  '',
  'data:no space',
  'data:  two',
  'data',
  '',
  'event: lost',
  '',
  ':',
  'data: [DONE]',
  '',
  'data: never ended',
]
const EVENTS: SseEvent[] = [
  { event: 'delta', data: '{"a": "é€👍🏽"}' },
  { event: 'message', data: 'no space\n two\n' },
  { event: 'message', data: '[DONE]' },
]

describe.each([
  ['LF', '\n'],
  ['CRLF', '\r\n'],
  ['CR', '\r'],
])('lines that end with %s', (_, end) => {
  const bytes = bytesOf(LINES.join(end))

  test('sse/2, sse/3: give the events that have ended', () => {
    expect(readAll([bytes])).toEqual(EVENTS)
  })

  test('sse/1: give the same events wherever the bytes are cut in two', () => {
    for (let at = 0; at <= bytes.length; at++) {
      expect(readAll([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(EVENTS)
    }
  })

  test('sse/1: give the same events byte by byte', () => {
    expect(readAll([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(EVENTS)
  })
})

test('an event comes as soon as its empty line has begun', () => {
  const reader = new SseReader()
  expect(reader.read(bytesOf('data: a\r\n\r'))).toEqual([{ event: 'message', data: 'a' }])
  expect(reader.read(bytesOf('\ndata: b\n\n'))).toEqual([{ event: 'message', data: 'b' }])
})

test('bytes that are no UTF-8 become replacement characters', () => {
  const bytes = Uint8Array.of(...bytesOf('data: '), 0xff, 0xc3, ...bytesOf('\n\n'))
  expect(readAll([bytes])).toEqual([{ event: 'message', data: '\uFFFD\uFFFD' }])
})

test('sse/4: an event without end is refused, one of many comments is not', () => {
  const kilo = bytesOf('x'.repeat(1024))
  const endless = new SseReader()
  expect(() => {
    for (let n = 0; n <= MAX_EVENT_CHARS / 1024; n++) endless.read(kilo)
  }).toThrow(SseTooLarge)
  const comment = bytesOf(`:${'x'.repeat(1022)}\n`)
  const patient = new SseReader()
  for (let n = 0; n <= MAX_EVENT_CHARS / 1024; n++) patient.read(comment)
  expect(patient.read(bytesOf('data: a\n\n'))).toHaveLength(1)
})

test('sse/4: a line in many pieces costs what its bytes cost', () => {
  const begun = performance.now()
  const reader = new SseReader()
  for (let n = 0; n < 400_000; n++) reader.read(Uint8Array.of(120))
  expect(performance.now() - begun).toBeLessThan(3_000)
})
