/**
 * P15: how long the actors of a node are without an answer when it is killed, stopped, or leaves. Two nodes stay, a third one goes, a
 * caller for each of its actors asks all the time.
 */
import { createSystem, type System } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { eventually, natsServer } from '@troupe/core/testing'
import { type Child, startChild } from './child.ts'
import { counter } from './counter.ts'
import { interleave, median, type Row } from './harness.ts'

const LEASE_MS = 3_000
const CALLERS = 48
/** Callers ask for so long before anything happens. */
const WARM_MS = 500
const NOTHING_MS = 20_000

type Going = 'killed' | 'stopped' | 'leaving'

interface Cluster {
  readonly url: string
  readonly system: System
}

/** Milliseconds without an answer of each caller. */
async function gaps({ url, system }: Cluster, name: string, going: Going): Promise<readonly number[]> {
  await using child = await startChild('counter-node.ts', url, '[]', 'durable', name, `${LEASE_MS}`)
  const keys = await keysOn(system, name)
  let over = false
  const answers = keys.map((): number[] => [])
  const callers = keys.map(async (key, i) => {
    while (!over) {
      await system.get(counter, key).ask({ type: 'add', by: 1 }, { timeoutMs: NOTHING_MS })
      answers[i]?.push(performance.now())
    }
  })
  await new Promise((resolve) => setTimeout(resolve, WARM_MS))
  const goneAt = performance.now()
  go(child, going)
  // A planned move may come after an answer of the old owner: watch for as long as everything can take.
  const watchedMs = going === 'leaving' ? 2_000 : 0
  const answered = () => answers.every((times) => (times.at(-1) ?? 0) > goneAt + watchedMs)
  await eventually(answered, { withinMs: NOTHING_MS, show: () => answers.map((times) => (times.at(-1) ?? 0) - goneAt) })
  over = true
  await Promise.all(callers)
  if (going === 'stopped') process.kill(child.pid, 'SIGKILL')
  return answers.map((times) => Math.max(...times.map((at, i) => (at > goneAt ? at - (times[i - 1] ?? goneAt) : 0))))
}

function go(child: Child, going: Going): void {
  if (going === 'leaving') child.end()
  else process.kill(child.pid, going === 'killed' ? 'SIGKILL' : 'SIGSTOP')
}

/** Keys of actors that the node holds. */
async function keysOn(system: System, node: string): Promise<readonly string[]> {
  const keys = await eventually(
    async () => {
      const found: string[] = []
      for (let n = 0; n < 20 * CALLERS && found.length < CALLERS; n++) {
        if ((await system.locate(`counter/k${n}`)).node === node) found.push(`k${n}`)
      }
      return found.length === CALLERS ? found : undefined
    },
    { withinMs: 20_000 },
  )
  return keys ?? []
}

const percentile = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * part) - 1] ?? Number.NaN

const row = (
  name: string,
  what: string,
  going: Going,
  boundMs: number,
  of: (gaps: readonly number[]) => number,
): Row => ({
  row: `P15 ${name}`,
  what,
  baseline: `the bound itself: ${boundMs} ms`,
  unit: 'ms',
  kind: 'time',
  target: 1,
  notMeasured: 'servers on other machines',
  async measure(rounds) {
    await using server = await natsServer()
    const { url } = server
    await using system = await createSystem({ backend: nats({ servers: url, initialise: true }) })
    const stay = (name: string) => startChild('counter-node.ts', url, '[]', 'durable', name, `${LEASE_MS}`)
    await using _a = await stay('a')
    await using _b = await stay('b')
    let round = 0
    return await interleave(
      rounds,
      async () => of(await gaps({ url, system }, `${going}${++round}`, going)),
      async () => boundMs,
    )
  },
})

export const rows: readonly Row[] = [
  row('killed p50', 'a node is killed, time without an answer, p50', 'killed', 500, median),
  row('killed p99', 'a node is killed, time without an answer, p99', 'killed', 1_500, (all) => percentile(all, 0.99)),
  row('stopped', 'a node stands still, time without an answer, p99', 'stopped', LEASE_MS + 1_000, (all) =>
    percentile(all, 0.99),
  ),
  row('leaving', 'a node leaves, time without an answer, p99', 'leaving', 100, (all) => percentile(all, 0.99)),
]
