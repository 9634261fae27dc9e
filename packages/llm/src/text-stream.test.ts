import { packWire, unpackWire } from '@troupe/core'
import { manualClock } from '@troupe/core/testing'
import { expect, test } from 'vitest'
import { z } from 'zod'
import type { ModelAnswer } from './model.ts'
import { TextStream } from './text-stream.ts'

const Delta = z.object({ type: z.literal('delta'), delta: z.object({ text: z.string() }) })

function opened() {
  const texts: string[] = []
  const clock = manualClock()
  const stream = new TextStream({ id: 'c' }, 'm', clock, (event) => {
    const { data } = Delta.safeParse(unpackWire(packWire(event)))
    if (data !== undefined) texts.push(data.delta.text)
    return true
  })
  return { stream, clock, texts }
}
const saying = (text: string): ModelAnswer => ({ text, finishReason: 'stop' })

test.each([
  ['a piece that ends within one', ['x\uD83D', '\uDE00y']],
  ['a piece that is half of one', ['\uD83D', '\uDE00', 'y']],
  ['the last piece', ['x', '\uD83D\uDE00']],
])('text-stream/3: a character is whole after %s', (_, pieces) => {
  const { stream, clock, texts } = opened()
  for (const piece of pieces) {
    stream.hear(piece)
    clock.advance(1_000)
  }
  stream.end(saying(pieces.join('')))
  expect(texts.join('')).toBe(pieces.join(''))
})

test.each([99_998, 99_999, 199_998])('text-stream/3: a character after %i others is in one event', (chars) => {
  const text = `${'a'.repeat(chars)}\u{1F600}${'b'.repeat(100)}`
  const { stream, texts } = opened()
  stream.end(saying(text))
  expect(texts.join('')).toBe(text)
})

test('text-stream/1: half a character at the very end is not kept for ever', () => {
  const { stream, texts } = opened()
  stream.hear('x\uD83D')
  stream.end(undefined)
  expect(texts).toEqual(['x', expect.stringMatching(/^\uFFFD+$/)])
})
