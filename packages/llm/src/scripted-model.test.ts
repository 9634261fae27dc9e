import { manualClock } from '@troupe/core/testing'
import { expect, test } from 'vitest'
import { ModelError, type ModelRequest } from './model.ts'
import { scriptedModel } from './scripted-model.ts'

const request: ModelRequest = { messages: [{ role: 'user', content: 'hello' }] }
const never = new AbortController().signal
const ask = (model: ReturnType<typeof scriptedModel>, heard?: string[], signal = never) =>
  model.complete(request, { signal, ...(heard && { onText: (delta: string) => heard.push(delta) }) })

test('scripted-model/1: lines answer in order; after the last one a call says so', async () => {
  const failed = new ModelError('RateLimited', 'slow down')
  const usage = { promptTokens: 1, completionTokens: 2 }
  const model = scriptedModel([
    'one',
    { text: 'two', finishReason: 'length', usage },
    failed,
    ({ messages }) => `four of ${messages.length}`,
  ])
  expect(await ask(model)).toEqual({ text: 'one', finishReason: 'stop' })
  expect(await ask(model)).toEqual({ text: 'two', finishReason: 'length', usage })
  await expect(ask(model)).rejects.toBe(failed)
  expect((await ask(model)).text).toBe('four of 1')
  await expect(ask(model)).rejects.toMatchObject({
    code: 'InvalidRequest',
    message: 'the script has 4 lines, and this is call 5',
  })
  expect(model.asked).toHaveLength(5)
})

test('model/5: streams come in pieces, whole answers in one, and a stream may break off', async () => {
  const broken = new ModelError('Unreachable', 'broke off', { streamedChars: 1 })
  const model = scriptedModel([
    'whole',
    { stream: ['a', 'b'], end: { finishReason: 'length' } },
    { stream: ['c'], end: broken },
  ])
  const heard: string[] = []
  await ask(model, heard)
  expect(await ask(model, heard)).toEqual({ text: 'ab', finishReason: 'length' })
  await expect(ask(model, heard)).rejects.toBe(broken)
  expect(heard).toEqual(['whole', 'a', 'b', 'c'])
})

test('scripted-model/2: a delay goes by the clock, and ends with an abort', async () => {
  const clock = manualClock()
  const model = scriptedModel(
    [
      { afterMs: 100, line: 'late' },
      { afterMs: 100, line: 'never' },
    ],
    { clock },
  )
  const late = ask(model)
  clock.advance(100)
  expect((await late).text).toBe('late')
  const controller = new AbortController()
  const aborted = ask(model, undefined, controller.signal)
  controller.abort()
  await expect(aborted).rejects.toMatchObject({ code: 'Cancelled' })
})
