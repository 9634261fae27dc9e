import { expect, test } from 'vitest'
import { VirtualTime } from './clock.ts'
import { CALM, NO_EVENTS } from './faults.ts'
import { ProcessClock } from './process-clock.ts'
import { again, runSeed } from './run.ts'

test('a clock that runs fast sees more time pass, and its timers come early by the time of others', async () => {
  const time = new VirtualTime(0)
  const clock = new ProcessClock(time, 1.25, (task) => task())
  const fired: number[] = []
  clock.after(1_000, () => fired.push(time.elapsedMs))
  await time.run(2_000)
  expect([fired, clock.monotonic(), clock.now()]).toEqual([[800], 2_500, 2_000])
  clock.skewMs = -500
  expect([clock.monotonic(), clock.now()]).toEqual([2_500, 1_500])
})

/** Who thaws with a slow clock has lost its shards and believes in its lease: only the log stands between the two. */
test('safety needs no clock: with any rates and wall clocks nothing that was acknowledged is lost, doubled or hidden', async () => {
  for (let n = 0; n < 25; n++) {
    const seed = `clocks-${n}`
    const faults = {
      ...CALM,
      clocks: { drift: 0.75, skewMs: 20_000 },
      events: { ...NO_EVENTS, pauses: 3, partitions: 4, jumps: 4 },
    }
    const { violations } = await runSeed(seed, { faults })
    expect(violations, `with ${JSON.stringify(faults)}: ${again(seed)}`).toEqual([])
  }
}, 60_000)
