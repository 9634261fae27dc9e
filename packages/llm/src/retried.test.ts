import { cryptoEntropy } from '@troupe/core'
import { manualClock } from '@troupe/core/testing'
import { expect, test } from 'vitest'
import { ModelError } from './model.ts'
import { retried } from './retried.ts'
import { type Line, scriptedModel } from './scripted-model.ts'

const request = { messages: [{ role: 'user', content: 'hello' } as const] }
const down = new ModelError('ServerFailed', 'down')
const settled = () => new Promise((resolve) => setImmediate(resolve))

function asked(lines: readonly Line[], listeners: { signal?: AbortSignal; onText?: (delta: string) => void } = {}) {
  const clock = manualClock()
  const model = scriptedModel(lines, { clock })
  const again = retried(model, { clock, entropy: cryptoEntropy(), attempts: 3 })
  const answer = again.complete(request, { signal: new AbortController().signal, ...listeners })
  answer.catch(() => {})
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 50) {
      await settled()
      clock.advance(50)
    }
  }
  return { model, answer, pass }
}

test('retried/1: what may have failed by chance is asked again, as often as it may', async () => {
  const twice = asked([down, down, 'yes'])
  await twice.pass(3_000)
  expect(await twice.answer).toMatchObject({ text: 'yes' })
  const thrice = asked([down, down, down, 'yes'])
  await thrice.pass(3_000)
  await expect(thrice.answer).rejects.toBe(down)
  const wrong = asked([new ModelError('InvalidRequest', 'no'), 'yes'])
  await expect(wrong.answer).rejects.toMatchObject({ code: 'InvalidRequest' })
  expect([twice, thrice, wrong].map(({ model }) => model.asked.length)).toEqual([3, 3, 1])
})

test('retried/1: a refusal is waited for as long as it asks', async () => {
  const slow = asked([new ModelError('RateLimited', 'slow down', { retryAfterMs: 5_000 }), 'yes'])
  await slow.pass(4_900)
  expect(slow.model.asked).toHaveLength(1)
  await slow.pass(1_000)
  expect(await slow.answer).toMatchObject({ text: 'yes' })
})

test('retried/2: nothing is asked again once a text was heard', async () => {
  const heard: string[] = []
  const cut = asked([{ stream: ['half '], end: down }, 'yes'], { onText: (delta) => heard.push(delta) })
  await cut.pass(3_000)
  await expect(cut.answer).rejects.toBe(down)
  expect([heard, cut.model.asked.length]).toEqual([['half '], 1])
})

test('an abort ends the pause with the error of the call', async () => {
  const caller = new AbortController()
  const gone = asked([down, 'yes'], { signal: caller.signal })
  await settled()
  caller.abort(new ModelError('Cancelled', 'gone'))
  await expect(gone.answer).rejects.toMatchObject({ code: 'Cancelled' })
  await gone.pass(3_000)
  expect(gone.model.asked).toHaveLength(1)
})
