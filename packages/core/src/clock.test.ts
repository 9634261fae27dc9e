import { expect, test } from 'vitest'
import { realClock } from './clock.ts'

test('2: a timer never fires early, on the monotonic clock', async () => {
  const clock = realClock()
  const early = await Promise.all(
    Array.from({ length: 50 }, (_, i) => {
      const startMs = clock.monotonic()
      const delayMs = i / 3
      return new Promise<number>((resolve) =>
        clock.after(delayMs, () => resolve(clock.monotonic() - startMs - delayMs)),
      )
    }),
  )
  expect(Math.min(...early)).toBeGreaterThanOrEqual(0)
})

test('a cancelled timer does not fire, nor does one far beyond the longest of Node', async () => {
  const clock = realClock()
  const fired: string[] = []
  clock.after(5, () => void fired.push('cancelled')).cancel()
  const far = clock.after(2 ** 40, () => void fired.push('far'))
  await new Promise<void>((resolve) => clock.after(20, resolve))
  far.cancel()
  expect(fired).toEqual([])
})
