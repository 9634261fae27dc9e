/** Streams that say no more once their answer is whole. */
import { manualClock } from '@troupe/core/testing'
import { describe, expect, test } from 'vitest'
import { anthropic } from './anthropic.ts'
import { LAST_WORDS_MS } from './last-words.ts'
import { ModelError } from './model.ts'
import { openAiCompatible } from './openai-compatible.ts'

const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`
const settled = () => new Promise((resolve) => setImmediate(resolve))

const openAi = {
  make: openAiCompatible,
  text: event({ choices: [{ delta: { content: 'hi' }, finish_reason: '' }] }),
  end: event({ choices: [{ delta: {}, finish_reason: 'stop' }] }),
  last: event({ choices: [], usage: { prompt_tokens: 7, completion_tokens: 2 } }),
}
const claude = {
  make: anthropic,
  text: event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hi' } }),
  end: event({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } }),
  last: event({ type: 'message_delta', delta: {}, usage: { input_tokens: 7 } }),
}

describe.each([
  ['OpenAI', openAi],
  ['Anthropic', claude],
])('%s', (_, { make, text, end, last }) => {
  const asked = () => {
    const clock = manualClock()
    const controller = new AbortController()
    const pipe = new TransformStream<Uint8Array, Uint8Array>()
    const writer = pipe.writable.getWriter()
    let closed = false
    const model = make({
      ...{ baseUrl: 'http://h/v1', model: 'm', clock },
      fetch: async (_, init) => {
        init?.signal?.addEventListener('abort', () => {
          closed = true
          void writer.abort(init.signal?.reason).catch(() => {})
        })
        return new Response(pipe.readable, { headers: { 'content-type': 'text/event-stream' } })
      },
    })
    let over = false
    const answer = model.complete({ messages: [] }, { signal: controller.signal, onText: () => {} })
    const ended = answer.finally(() => {
      over = true
    })
    ended.catch(() => {})
    const say = async (piece: string) => {
      void writer.write(new TextEncoder().encode(piece)).catch(() => {})
      await settled()
    }
    return { answer, clock, controller, writer, say, isOver: () => over, isClosed: () => closed }
  }
  const whole = { text: 'hi', finishReason: 'stop' }
  const used = { usage: { promptTokens: 7, completionTokens: 2 } }

  test('last-words/1: a connection that stays open is left when the time is over, with what it has said', async () => {
    const { answer, clock, say, isOver, isClosed } = asked()
    await say(text)
    clock.advance(10 * LAST_WORDS_MS)
    await say(end)
    clock.advance(LAST_WORDS_MS / 2)
    await say(last)
    clock.advance(LAST_WORDS_MS / 2 - 1)
    await settled()
    expect([isOver(), isClosed()]).toEqual([false, false])
    clock.advance(1)
    expect(await answer).toEqual({ ...whole, ...used })
    expect(isClosed()).toBe(true)
  })

  test('last-words/2: a connection that breaks off after the answer has ended', async () => {
    const { answer, say, writer } = asked()
    await say(text + end + last)
    void writer.abort(new TypeError('reset')).catch(() => {})
    expect(await answer).toEqual({ ...whole, ...used })
  })

  test('last-words/2: one that breaks off before has not, and an abort stays one', async () => {
    const cut = asked()
    await cut.say(text)
    void cut.writer.abort(new TypeError('reset')).catch(() => {})
    await expect(cut.answer).rejects.toMatchObject({ code: 'Unreachable', fields: { streamedChars: 2 } })
    const late = asked()
    await late.say(text + end)
    late.controller.abort(new ModelError('Timeout', 'too late'))
    await expect(late.answer).rejects.toMatchObject({ code: 'Timeout' })
  })
})
