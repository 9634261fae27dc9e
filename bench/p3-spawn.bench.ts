/** P3: a new actor, and what an idle one weighs, against XState's createActor. Memory rows need `--expose-gc`. */
import { createSystem } from '@troupe/core'
import { createActor } from 'xstate'
import { counterMachine, volatileCounter } from './counter.ts'
import { interleave, type Row, rate } from './harness.ts'

const SPAWNS = 5_000
const IDLE = 5_000
const input = (key: string) => ({ input: { type: 'counter', key } })

function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error('P3 needs --expose-gc (npm run bench gives it)')
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

const spawn: Row = {
  row: 'P3',
  what: 'a new volatile actor, first answer included',
  baseline: 'createActor().start()',
  unit: '/s',
  kind: 'rate',
  target: 0.6,
  notMeasured: 'journaled actors, whose first answer is an append',
  async measure(rounds) {
    await using system = await createSystem({ actors: [volatileCounter] })
    let [mine, plain] = [0, 0]
    return await interleave(
      rounds,
      () => rate(SPAWNS, 64, () => system.get(volatileCounter, `s${mine++}`).ask({ type: 'add', by: 1 })),
      () =>
        rate(SPAWNS, 64, async () => {
          createActor(counterMachine, input(`p${plain++}`))
            .start()
            .send({ type: 'add', by: 1 })
        }),
    )
  },
}

const weight: Row = {
  row: 'P3 bytes',
  what: 'heap of one idle volatile actor',
  baseline: 'one XState actor',
  unit: 'bytes',
  kind: 'bytes',
  target: 1.4,
  notMeasured: 'memory outside the heap',
  async measure(rounds) {
    let name = 0
    const ours = async () => {
      await using system = await createSystem({ actors: [volatileCounter] })
      await system.get(volatileCounter, 'warm').ask({ type: 'add', by: 1 })
      const before = heapBytes()
      await rate(IDLE, 64, () => system.get(volatileCounter, `i${name++}`).ask({ type: 'add', by: 1 }))
      return (heapBytes() - before) / IDLE
    }
    const baseline = async () => {
      const before = heapBytes()
      const actors = Array.from({ length: IDLE }, () => createActor(counterMachine, input(`x${name++}`)).start())
      const bytes = (heapBytes() - before) / IDLE
      return actors.length > 0 ? bytes : 0
    }
    return await interleave(rounds, ours, baseline)
  },
}

export const rows = [spawn, weight]
