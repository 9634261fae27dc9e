import { resource } from '@troupe/core'
import { expect, test } from 'vitest'
import { createActor, SimulatedClock } from 'xstate'
import { poolMachine } from './machine.ts'
import type { WorkerEvent, WorkerInput, WorkerStop } from './ports.ts'

/** A pool of one under plain XState, where replies do nothing and time is ours. */
function poolOfOne(maxFailedStarts = 100) {
  const clock = new SimulatedClock()
  let opened = 0
  let released = 0
  let stops = 0
  let say: (event: WorkerEvent) => void = () => {}
  const worker = resource<WorkerInput, WorkerStop>((_, { sendBack, receive }) => {
    opened += 1
    say = sendBack
    receive(() => (stops += 1))
    return () => (released += 1)
  })
  const logic = poolMachine(worker, { name: 'p', size: 1, maxFailedStarts })
  const actor = createActor(logic, { clock, input: { type: 'pool-p', key: 'main' } }).start()
  const at = 1
  return {
    clock,
    start: () => actor.send({ type: 'start' }),
    stop: () => actor.send({ type: 'stop' }),
    ready: () => {
      say({ type: 'worker.started', name: `w${opened}`, pid: opened, at })
      say({ type: 'worker.ready', at })
    },
    exit: () => say({ type: 'worker.exited', at, reason: 'exit code 1', output: [] }),
    get opened() {
      return opened
    },
    get released() {
      return released
    },
    get stops() {
      return stops
    },
    get value() {
      return actor.getSnapshot().value
    },
  }
}

/** Milliseconds until the next worker is opened. */
function untilOpened(pool: ReturnType<typeof poolOfOne>): number {
  const before = pool.opened
  for (let ms = 0; ms <= 10_000; ms += 10) {
    if (pool.opened > before) return ms
    pool.clock.increment(10)
  }
  throw new Error('no worker was opened')
}

test('slot/1: pauses double from 100 ms to 5 s while workers end soon', () => {
  const pool = poolOfOne()
  pool.start()
  const pauses = Array.from({ length: 8 }, (_, n) => {
    if (n % 2 === 0) pool.ready()
    pool.exit()
    return untilOpened(pool)
  })
  expect(pauses).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000])
})

test('slot/1: a worker that had been ready for long is replaced at once, and pauses begin anew', () => {
  const pool = poolOfOne()
  pool.start()
  pool.exit()
  expect(untilOpened(pool)).toBe(100)
  pool.ready()
  pool.clock.increment(5_000)
  pool.exit()
  expect(pool.opened).toBe(3)
  pool.exit()
  expect(untilOpened(pool)).toBe(100)
})

test('slot/2: only starts that failed in a row count; a worker that was ready once ends the row', () => {
  const pool = poolOfOne(2)
  pool.start()
  pool.exit()
  untilOpened(pool)
  pool.ready()
  pool.exit()
  untilOpened(pool)
  pool.exit()
  expect(pool.value).toMatchObject({ running: {} })
  untilOpened(pool)
  pool.exit()
  expect(pool.value).toBe('failed')
  expect(pool.released).toBe(pool.opened)
})

test('slot/3: a worker that does not end when asked is left after 15 s', () => {
  const pool = poolOfOne()
  pool.start()
  pool.ready()
  pool.stop()
  expect([pool.stops, pool.released, pool.value]).toEqual([1, 0, 'stopping'])
  pool.clock.increment(15_000)
  expect([pool.released, pool.value]).toEqual([1, 'stopped'])
})
