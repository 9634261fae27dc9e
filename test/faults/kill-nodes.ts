/**
 * Kills node processes at random instants under load and checks the ledger afterwards (`npm run faults`).
 *
 * Checked: every acknowledged command is in the state once; every call ended with an answer or a typed error before its
 * deadline; jobs that were open (effect, timer) ended.
 */
import { seededEntropy, toWire } from '@troupe/core'
import { eventually } from '@troupe/core/testing'
import { job, ledger } from '../cluster/actors.ts'
import { Cluster } from '../cluster/cluster.ts'

export interface KillReport {
  readonly seed: string
  readonly kills: number
  readonly acknowledged: number
  readonly unknown: number
  readonly jobs: number
  /** Longest time without any acknowledgement. */
  readonly longestGapMs: number
  readonly problems: readonly string[]
}

const NODES = ['a', 'b', 'c']
const KEYS = 8
const CALL_MS = 20_000
/** Between a start and the next kill. A takeover takes a lease of 3 s, so kills overlap with takeovers. */
const PAUSE_MS = 1_000
/** After so many the run has shown what it can. */
const MOST_PROBLEMS = 20

export async function killNodes(options: {
  readonly kills: number
  readonly seed: string
  readonly syncAlways?: boolean
}): Promise<KillReport> {
  const { kills, seed, syncAlways = false } = options
  const chance = seededEntropy(seed)
  await using cluster = await Cluster.start(NODES, { syncAlways })
  const problems: string[] = []
  const acked = new Map<string, Set<string>>()
  const unknown = new Map<string, Set<string>>()
  let stop = false
  let lastAck = performance.now()
  let longestGapMs = 0

  const put = async (key: string): Promise<void> => {
    const ref = cluster.client.get(ledger, key)
    const [sure, unsure] = [new Set<string>(), new Set<string>()]
    acked.set(key, sure)
    unknown.set(key, unsure)
    for (let n = 0; !stop; n++) {
      const id = `${key}-${n}`
      const begun = performance.now()
      try {
        await ref.ask({ type: 'put', id }, { timeoutMs: CALL_MS })
        sure.add(id)
        longestGapMs = Math.max(longestGapMs, performance.now() - lastAck)
        lastAck = performance.now()
      } catch (error) {
        const { code, applied } = toWire(error)
        if (applied === 'no') problems.push(`${id}: ${code} ${toWire(error).message}`)
        if (problems.length > MOST_PROBLEMS) stop = true
        if (applied === 'unknown') unsure.add(id)
        if (performance.now() - begun > CALL_MS + 1_000) problems.push(`${id}: ended after its deadline (${code})`)
      }
    }
  }
  let jobs = 0
  const work = async (key: string): Promise<void> => {
    const ref = cluster.client.get(job, key)
    // A job is asked for under one key until it is answered: however often its node dies, it runs to its end once.
    for (let n = 0; !stop; n++) {
      try {
        await ref.ask({ type: 'start', workMs: 40, restMs: 40 }, { timeoutMs: CALL_MS, idempotencyKey: `job-${n}` })
        jobs += 1
      } catch (error) {
        const { code, message, retryable } = toWire(error)
        if (retryable) n -= 1
        else problems.push(`job ${key}: ${code} ${message}`)
        if (problems.length > MOST_PROBLEMS) stop = true
      }
    }
  }
  const keys = Array.from({ length: KEYS }, (_, n) => `k${n}`)
  const load = [...keys.map(put), ...keys.slice(0, 4).map(work)]
  for (let killed = 0; killed < kills && !stop; killed++) {
    await new Promise((resolve) => setTimeout(resolve, chance.random() * PAUSE_MS))
    const victim = NODES[Math.floor(chance.random() * NODES.length)] ?? 'a'
    await cluster.kill(victim)
    await cluster.startNode(victim)
  }
  const before = total(acked)
  if (!stop) await eventually(() => total(acked) > before + 100, { withinMs: CALL_MS, show: () => total(acked) })
  stop = true
  await Promise.all(load)
  for (const key of keys) {
    const { context } = await cluster.client.get(ledger, key).snapshot({ fenced: true, timeoutMs: CALL_MS })
    const stored = new Set(context.ids)
    if (context.repeats > 0) problems.push(`${key}: ${context.repeats} commands were applied twice`)
    for (const id of acked.get(key) ?? []) if (!stored.has(id)) problems.push(`${id}: acknowledged and lost`)
    for (const id of stored) {
      if (!acked.get(key)?.has(id) && !unknown.get(key)?.has(id)) problems.push(`${id}: stored and never sent`)
    }
  }
  return {
    seed,
    kills,
    acknowledged: total(acked),
    unknown: total(unknown),
    jobs,
    longestGapMs: Math.round(longestGapMs),
    problems,
  }
}

function total(sets: ReadonlyMap<string, ReadonlySet<string>>): number {
  return [...sets.values()].reduce((sum, set) => sum + set.size, 0)
}
