/**
 * Runs your actors on a simulated cluster: production code on virtual time, with faults that follow from a seed.
 *
 * 1. Everything random comes from the seed: a failure is repeated by running its seed again.
 * 2. Effects wait on `context.runtime.clock`; one that uses real timers is slower than the simulated world and not repeatable.
 * 3. Handlers and machines are used as they are; their steps are folded again at the end and must give the same state.
 */
import type { AnyActorDef } from '../actor.ts'
import { seededEntropy } from '../entropy.ts'
import type { SimClient } from './client.ts'
import { CALM, replaced, type SomeFaults, seededFaults } from './faults.ts'
import { type Report, World } from './world.ts'

export interface Simulation {
  readonly seed: number | string
  readonly actors: readonly AnyActorDef[]
  /**
   * Definitions of `actors` as they were before an upgrade, by type. Some of the nodes begin with them, are upgraded, and now and
   * then taken back, so that actors move between both; when all faults are over, every node has `actors`.
   */
  readonly upgradeFrom?: readonly AnyActorDef[]
  /** @defaultValue 3 */
  readonly nodes?: number
  /** @defaultValue 2 */
  readonly clients?: number
  /** `none`: messages only take time. Fields replace what the seed says. @defaultValue a mix that follows from the seed */
  readonly faults?: 'none' | SomeFaults
  /** How long faults happen, in virtual time. @defaultValue 8_000 */
  readonly disturbedMs?: number
  /** Runs on each client while faults happen, until `client.disturbed` is false. Errors of calls are yours to expect. */
  readonly workload: (client: SimClient) => Promise<void>
  /** Runs on each client when all faults are over and nothing is open: what must work, and what must be true now. */
  readonly afterHeal?: (client: SimClient) => Promise<void>
  /** Types whose actors never come to rest, because of a timer that sets itself again or an effect without end. */
  readonly restless?: readonly string[]
}

/** The simulation found something; run the same seed again to see it again. */
export class SimulationFailed extends Error {
  override readonly name = 'SimulationFailed'
  readonly report: Report

  constructor(report: Report) {
    const found = report.violations.map(({ what }) => `  - ${what}`).join('\n')
    super(`seed ${JSON.stringify(report.seed)} does not hold:\n${found}`)
    this.report = report
  }
}

/**
 * Nodes crash, freeze, leave in waves and lose answers; messages are late, lost and doubled; parties are kept apart and clocks
 * go wrong; then everything heals. Afterwards the log is compared with what every caller was told.
 *
 * @example
 * for (let seed = 0; seed < 50; seed++) {
 *   await simulate({
 *     seed,
 *     actors: [counter],
 *     workload: async (client) => {
 *       while (client.disturbed) {
 *         await client.get(counter, 'a').ask({ type: 'add', by: 1 }).catch(() => {})
 *         await client.sleep(100)
 *       }
 *     },
 *   })
 * }
 * @throws SimulationFailed with all that was found
 */
export async function simulate(options: Simulation): Promise<Report> {
  const { seed, actors, nodes = 3, clients = 2, disturbedMs = 8_000, workload, afterHeal, restless = [] } = options
  const before = new Map(options.upgradeFrom?.map((def) => [def.protocol.type, def]))
  const { random } = seededEntropy(`${seed}/world`)
  const chosen = options.faults === 'none' ? CALM : replaced(seededFaults(random), options.faults)
  const upgrades = before.size > 0 ? Math.max(2 * nodes, chosen.events.upgrades) : 0
  const faults = replaced(chosen, { events: { upgrades } })
  const world = new World({
    seed,
    actors: () => actors,
    older: (newer) => newer.map((def) => before.get(def.protocol.type) ?? def),
    nodes,
    clients,
    shards: 2 * nodes,
    leaseMs: 3_000,
    faults,
    disturbedMs,
    patienceMs: 120_000,
    workload,
    restless,
    ...(afterHeal && { afterHeal }),
  })
  const report = await world.run()
  if (report.violations.length > 0) throw new SimulationFailed(report)
  return report
}
