/**
 * One demo run from start to end: cluster, pools, study, kill, result, trace, replay.
 *
 * 1. Whatever happens, also Ctrl-C, everything that was started is ended before this returns.
 * 2. What is shown was measured in this run.
 */
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Address, realClock, Subjects } from '@troupe/core'
import { type ReplaySummary, replayAll } from '@troupe/core/replay'
import { type ConfiguredModel, modelFrom, type StandIn, startStandIn } from '@troupe/llm'
import { openEventIndex } from '@troupe/telemetry'
import { readConfig, readModelConfig } from '../config.ts'
import { createRun, type Run } from '../data-folder.ts'
import { treeText } from '../tree-text.ts'
import { actors, desk, general, optimised, optimizer, triage } from './app.ts'
import { type Away, killHostOf } from './away.ts'
import { DemoCluster, LEASE_MS } from './cluster.ts'
import { type DemoOptions, runKey } from './options.ts'
import { type Findings, reportOf } from './report.ts'
import { assignmentText, type Screen, share } from './screen.ts'
import { bestTrialTrace } from './trace.ts'
import { versionsOf } from './versions.ts'

const NAMESPACE = 'demo'
const POOLS_MS = 60_000
const OPTIMISE_MS = 30 * 60_000
/** Model calls of one trial: the rows it is scored on. */
const ROWS_PER_TRIAL = 50

export async function runDemo(options: DemoOptions, screen: Screen, signal: AbortSignal): Promise<object> {
  const begun = performance.now()
  const { dataDir, metricsPort } = readConfig()
  const run = createRun(dataDir, { entry: fileURLToPath(new URL('app.ts', import.meta.url)), namespace: NAMESPACE })
  screen.line(`Data: ${run.folder}${options.ephemeral ? ' (removed afterwards)' : ''}`)
  const { model, standIn } = await modelOf(options, screen)
  let cluster: DemoCluster | undefined
  try {
    const metrics = metricsPort === undefined ? {} : { metricsPort }
    cluster = await DemoCluster.start({
      storeDir: run.natsDir,
      namespace: NAMESPACE,
      nodes: options.nodes,
      model,
      ...metrics,
    })
    const stop = () => void cluster?.end()
    signal.addEventListener('abort', stop, { once: true })
    signal.throwIfAborted()
    return await optimiseOn(cluster, run, options, screen, model.model.name, begun)
  } finally {
    await cluster?.end()
    await standIn?.close()
    if (options.ephemeral) rmSync(run.folder, { recursive: true, force: true })
  }
}

async function modelOf(
  { trials }: DemoOptions,
  screen: Screen,
): Promise<{ model: ConfiguredModel; standIn: StandIn | undefined }> {
  const config = readModelConfig()
  const standIn = config.kind === 'stand-in' ? await startStandIn() : undefined
  const model = modelFrom(
    config.kind === 'stand-in' && standIn !== undefined ? { ...config, baseUrl: standIn.url } : config,
  )
  screen.line(`Model: ${model.describe((trials + 3) * ROWS_PER_TRIAL)}`)
  return { model, standIn }
}

async function optimiseOn(
  cluster: DemoCluster,
  run: Run,
  options: DemoOptions,
  screen: Screen,
  model: string,
  begun: number,
): Promise<object> {
  const { client } = cluster
  const { trials, seed, workers } = options
  const key = runKey(seed)
  screen.line(
    `Cluster: ${options.nodes} node processes on one nats-server at ${cluster.server.url}, durability tier ${client.durability}` +
      ` (no fsync per write), leases of ${LEASE_MS / 1_000} s`,
  )
  await startPools(cluster, workers, screen)

  const study: Address = `study-triage/${key}`
  const told = watchTrials(cluster, key, options, screen)
  const job = client
    .get(desk, key)
    .ask(
      { type: 'run', job: 'optimise', input: { key, trials, parallel: workers } },
      { timeoutMs: OPTIMISE_MS, idempotencyKey: key },
    )
  // Its failure is reported where it is awaited; until then it must not count as unhandled.
  job.catch(() => {})
  const away = options.kill ? await killHalfWay(cluster, study, told, job, trials, screen) : undefined
  const outcome = await job
  if (!outcome.ok) throw new Error(`the run failed: ${outcome.error.code}: ${outcome.error.message}`)
  const result = optimised.parse(outcome.output)
  const status = await triage.in(client, key).status()

  showResult(screen, options, result, away)
  const replay = await replayOf(cluster)
  await showTrace(cluster, run, study, result.best.number, screen)
  showReplay(screen, replay, study)
  const findings: Findings = {
    options,
    versions: await versionsOf(client.runtime, general.name),
    durability: client.durability,
    model,
    trials: status.trials,
    optimised: result,
    away,
    asked: cluster.ledger.total,
    replay,
    wallMs: Math.round(performance.now() - begun),
    run: run.id,
  }
  return reportOf(findings)
}

async function startPools({ client }: DemoCluster, workers: number, screen: Screen): Promise<void> {
  screen.live(`Starting ${workers} general Python workers and 1 optimizer worker …`)
  const begun = performance.now()
  const outcomes = await Promise.all([
    client.get(general, 'main').ask({ type: 'start', size: workers }, { timeoutMs: POOLS_MS }),
    client.get(optimizer, 'main').ask({ type: 'start', size: 1 }, { timeoutMs: POOLS_MS }),
  ])
  for (const { state, reason, output } of outcomes) {
    if (state !== 'ready') throw new Error(`a pool did not start (${state}): ${reason}\n${output?.join('\n') ?? ''}`)
  }
  const seconds = ((performance.now() - begun) / 1_000).toFixed(1)
  screen.line(`Python: ${workers} general workers and 1 optimizer worker ready after ${seconds} s`)
}

/** How many trials are told so far, from what the study emits (lossy) and from its state. */
function watchTrials({ client }: DemoCluster, key: string, { trials }: DemoOptions, screen: Screen) {
  let best = 0
  const seen = new Set<number>()
  client.get(triage.actor, key).on('trial', ({ number, state, value, params }) => {
    if (state === 'running' || seen.has(number)) return
    seen.add(number)
    best = Math.max(best, value ?? 0)
    const score = value === undefined ? 'failed' : value.toFixed(3)
    screen.live(
      `Trial ${String(number + 1).padStart(2)}/${trials}  ${score}  best ${best.toFixed(3)}  ${assignmentText(params)}`,
    )
  })
  return async () => {
    const { context } = await client.get(triage.actor, key).snapshot({ timeoutMs: 10_000 })
    return context.trials.filter(({ state }) => state !== 'running').length
  }
}

const LOOK_MS = 50

async function killHalfWay(
  cluster: DemoCluster,
  study: Address,
  told: () => Promise<number>,
  job: Promise<unknown>,
  trials: number,
  screen: Screen,
): Promise<Away | undefined> {
  let over = false
  const end = () => {
    over = true
  }
  job.then(end, end)
  const half = Math.floor(trials / 2)
  const clock = realClock()
  while (!over && (await told()) < half)
    await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve, { keepAlive: true }))
  if (over) return undefined
  const away = await killHostOf(cluster, study, (victim, pid) => {
    screen.line(
      `Kill: SIGKILL to ${victim} (pid ${pid}), which hosts the study and its workers; --no-kill leaves this out`,
    )
  })
  if (away !== undefined) {
    screen.line(`Back: ${study} answers from ${away.successor} after ${(away.awayMs / 1_000).toFixed(2)} s`)
  }
  return away
}

function showResult(screen: Screen, options: DemoOptions, result: Findings['optimised'], away: Away | undefined): void {
  const { best, told, failed, heldOut, baseline } = result
  screen.line()
  screen.line(
    `Study: ${told} trials told, ${failed} failed${away === undefined ? '' : ', none of them twice in spite of the kill'}`,
  )
  screen.line(`Best: trial ${best.number + 1}, ${assignmentText(best.params)}`)
  screen.line(
    `  development rows   baseline ${share(baseline.correct, baseline.total)} · best ${best.value.toFixed(3)}`,
  )
  const gain = heldOut.best.correct - heldOut.baseline.correct
  screen.line(
    `  held-out rows      baseline ${share(heldOut.baseline.correct, heldOut.baseline.total)} · ` +
      `optimised ${share(heldOut.best.correct, heldOut.best.total)} · ${gain >= 0 ? '+' : ''}${gain} rows`,
  )
  if (options.workers > 1)
    screen.line('  with --workers 1 the same seed gives the same trials, with and without the kill')
}

async function replayOf({ client }: DemoCluster): Promise<ReplaySummary> {
  const { journal, namespace } = client.connection
  return replayAll(journal, new Subjects(namespace), actors)
}

function showReplay(screen: Screen, replay: ReplaySummary, study: Address): void {
  const verdict = replay.mismatches === 0 ? 'every state hash matched' : `${replay.mismatches} state hashes DIFFER`
  screen.line()
  screen.line(
    `Replay: ${replay.steps} steps of ${replay.actors.length} actors in ${replay.appends} appends folded again from the log: ${verdict}`,
  )
  screen.line(`  again:   npm run -s troupe -- replay ${study}`)
}

async function showTrace(
  { client }: DemoCluster,
  run: Run,
  study: Address,
  best: number,
  screen: Screen,
): Promise<void> {
  const { journal, namespace } = client.connection
  const index = openEventIndex(`${run.folder}/events.sqlite`)
  try {
    await index.update(journal, new Subjects(namespace))
    const tree = bestTrialTrace(index, study, best)
    if (tree === undefined) return
    screen.line()
    screen.line('The best trial, from the session to a model call:')
    for (const line of treeText(tree)) screen.line(`  ${line}`)
    screen.line(`  whole:   npm run -s troupe -- trace show ${tree.correlation}`)
  } finally {
    index.close()
  }
}
