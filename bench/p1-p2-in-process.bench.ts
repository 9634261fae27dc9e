/** P1, P2: what a message costs inside one process, against plain XState. */
import { createSystem } from '@troupe/core'
import { createActor } from 'xstate'
import { counterMachine, volatileCounter } from './counter.ts'
import { interleave, type Row, rate } from './harness.ts'

const SENDS = 300_000
const ASKS = 150_000

export const p1: Row = {
  row: 'P1',
  what: 'volatile send to one XState counter, in process',
  baseline: 'createActor().send',
  unit: '/s',
  kind: 'rate',
  target: 0.85,
  notMeasured: 'several actors, payloads above 100 bytes',
  async measure(rounds) {
    await using system = await createSystem({ actors: [volatileCounter] })
    const ref = system.get(volatileCounter, 'a')
    const plain = createActor(counterMachine, { input: { type: 'counter', key: 'a' } }).start()
    const ours = async () => {
      const begun = performance.now()
      for (let n = 0; n < SENDS; n++) {
        ref.send({ type: 'tick' })
        if (n % 500 === 499) await ref.snapshot() // the mailbox is bounded: a sender that never waits would be refused
      }
      return (SENDS / (performance.now() - begun)) * 1_000
    }
    const baseline = async () => {
      const begun = performance.now()
      for (let n = 0; n < SENDS; n++) plain.send({ type: 'tick' })
      return (SENDS / (performance.now() - begun)) * 1_000
    }
    return await interleave(rounds, ours, baseline)
  },
}

export const p2: Row = {
  row: 'P2',
  what: 'volatile ask, 64 in flight, in process',
  baseline: 'createActor().send and a promise',
  unit: '/s',
  kind: 'rate',
  target: 0.7,
  notMeasured: 'nact and the other peers in the same run',
  async measure(rounds) {
    await using system = await createSystem({ actors: [volatileCounter] })
    const ref = system.get(volatileCounter, 'a')
    const plain = createActor(counterMachine, { input: { type: 'counter', key: 'a' } }).start()
    return await interleave(
      rounds,
      () => rate(ASKS, 64, () => ref.ask({ type: 'add', by: 1 })),
      () =>
        rate(ASKS, 64, async () => {
          plain.send({ type: 'add', by: 1 })
          return plain.getSnapshot().context.count
        }),
    )
  },
}

export const rows = [p1, p2]
