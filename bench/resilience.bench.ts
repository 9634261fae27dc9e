/** R1, R2: what a limit and a protected effect add to a call that has nothing to wait for. The baseline is the bound of the target. */
import { effect, realClock } from '@troupe/core'
import { Limiter, protect } from '@troupe/resilience'
import { bareContext } from './effect-context.ts'
import { interleave, type Row } from './harness.ts'

const TAKES = 500_000
const CALLS = 100_000
const plenty = { cap: 1_000_000_000_000, burst: 1_000_000_000_000 }
const limits = {
  requests: plenty,
  inputTokens: plenty,
  outputTokens: plenty,
  money: plenty,
  calls: { cap: 8, windowMs: 0 },
}
const cost = { requests: 1, inputTokens: 800, outputTokens: 300, money: 2_000, calls: 1 }
const used = { outputTokens: 200 }

const take: Row = {
  row: 'R1 take',
  what: 'five limits taken at once, begun and settled, as time goes on',
  baseline: 'the bound itself: 0.5 µs',
  unit: 'µs',
  kind: 'time',
  target: 1,
  notMeasured: 'waiting; reading the clock',
  measure: (rounds) =>
    interleave(
      rounds,
      async () => {
        let nowMs = 0
        const limiter = new Limiter({ limits, clock: { ...realClock(), monotonic: () => nowMs } })
        let taken = 0
        const begun = performance.now()
        for (let n = 0; n < TAKES; n++) {
          const grant = limiter.tryTake(cost)
          if (grant === undefined) continue
          taken += 1
          grant.begin()
          grant.settle(used)
          nowMs += 0.5
        }
        const micros = ((performance.now() - begun) / TAKES) * 1_000
        if (taken !== TAKES) throw new Error(`${TAKES - taken} takes were refused`)
        return micros
      },
      async () => 0.5,
    ),
}

async function microsOf(call: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  for (let n = 0; n < CALLS; n++) await call()
  return ((performance.now() - begun) / CALLS) * 1_000
}

const added: Row = {
  row: 'R2 protect',
  what: 'what all parts together add to an effect that answers at once',
  baseline: 'the bound itself: 5 µs',
  unit: 'µs',
  kind: 'time',
  target: 1,
  notMeasured: 'the effect alone, which is taken off; the writing of its record',
  measure: (rounds) => {
    const bare = effect('model', 'read', async (question: string) => question)
    const whole = protect(bare, {
      limits: { by: limits, cost: () => cost, used: () => used },
      breaker: {},
      concurrency: 8,
      timeoutMs: 30_000,
      retry: {},
      fallback: [{ to: bare }],
    })
    const context = bareContext()
    return interleave(
      rounds,
      async () =>
        (await microsOf(() => whole.effect.run('q', context))) - (await microsOf(() => bare.effect.run('q', context))),
      async () => 5,
    )
  },
}

export const rows: readonly Row[] = [take, added]
