/** The short form of `npm run faults -- --chaos 60`. A failure prints the seed; the order of the faults follows from it. */
import { expect, test } from 'vitest'
import { chaos, type Fault } from './chaos.ts'

const few: readonly [1 | 3, readonly Fault[]][] = [
  [1, ['freeze', 'cut-to-server', 'restart']],
  [3, ['kill', 'cut-to-node', 'step-down']],
]

test.each(few)(
  '%i server(s), %j: nothing acknowledged is lost, nothing applied twice',
  async (servers, faults) => {
    const report = await chaos({ seed: `${Date.now()}`, servers, faults })
    expect(report).toMatchObject({ problems: [], log: [] })
    expect(report.acknowledged).toBeGreaterThan(500)
    for (const fault of faults) expect(report.faults[fault]?.count).toBe(1)
  },
  60_000,
)
