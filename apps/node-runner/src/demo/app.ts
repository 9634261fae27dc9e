/**
 * The demo's actors: docstring triage. Given a docstring of Python's standard library, name its module.
 *
 *     session/<run> ── job `optimise` ──► study-triage/<run> ──► trial ──► optuna.ask, triage.evaluate (Python) ──► model calls
 *                   └─ then promotes the best assignment into variables/<run> and scores it on held-out rows
 *
 * Also the entry module of `troupe replay` for a demo's data.
 */
import { choice, float, int, type ObjectiveInput, session, study, variables, variablesSays } from '@troupe/actors'
import { optuna, pool } from '@troupe/bridge-python'
import { type EffectContext, effect } from '@troupe/core'
import { purses } from '@troupe/llm'
import { gates } from '@troupe/resilience'
import { z } from 'zod'
import { requireCompiled, signature } from './signatures.gen.ts'

requireCompiled()

export const general = pool('general', { app: 'troupe_demo.triage:app' })
export const optimizer = pool('optimizer', { app: 'troupe_demo.optimizer:app', size: 1 })

const row = z.object({ docstring: z.string(), module: z.string() })
const loadRows = general.fn('triage.rows', {
  input: z.object({}),
  output: z.object({ labels: z.array(z.string()), pool: z.number(), dev: z.array(row), heldOut: z.array(row) }),
  class: 'read',
})
/** What is asked of the model depends on the trial (`troupe_demo/triage.py`); what goes in and comes out does not. */
const program = general.dspy(
  'triage',
  signature(
    "docstring: str -> module: Literal['argparse', 'datetime', 'decimal', 'email', 'logging', 'socket', 'tarfile', 'zipfile']",
    { name: 'Triage' },
  ),
)

/** What is searched. The first value of each is the baseline: no demonstrations, a plain instruction. */
export const space = {
  demos: int(0, 16),
  demo_seed: choice([0, 1, 2, 3]),
  style: choice(['Predict', 'ChainOfThought']),
  temperature: float(0, 1),
  instruction: choice(['plain', 'words', 'hints']),
}
export const BASELINE = { demos: 0, demo_seed: 0, style: 'Predict', temperature: 0, instruction: 'plain' } as const

const THREADS = 8

type Assignment = { readonly [name: string]: string | number | boolean }

/** Part of an effect: under an id of its own, so that its answer is kept apart from the other parts'. */
function part(context: EffectContext, name: string): EffectContext {
  return { ...context, effectId: `${context.effectId}/${name}` }
}

async function score(rows: 'dev' | 'heldOut', assignment: Assignment, context: EffectContext) {
  const loaded = await loadRows.effect.run({}, part(context, 'rows'))
  const input = { rows: loaded[rows], metric: 'exact', assignment, threads: THREADS }
  const { correct, total, usage } = await program.evaluate.effect.run(input, part(context, `score-${rows}`))
  return { correct, total, calls: usage.calls }
}

const objective = effect('triage.objective', 'idempotent', async ({ trial }: ObjectiveInput<typeof space>, context) => {
  const { correct, total } = await score('dev', trial.params, context)
  return { value: correct / total, detail: { correct, total } }
})

export const triage = study('triage', {
  space,
  direction: 'maximize',
  sampler: optuna.tpe({ pool: optimizer }),
  objective,
})

const OPTIMISE_MS = 30 * 60_000
const runStudy = triage.says.ask('run', { timeoutMs: OPTIMISE_MS })
const promote = variablesSays.ask('set', { timeoutMs: 30_000 })

const optimiseInput = z.object({ key: z.string(), trials: z.number(), parallel: z.number() })
const counts = z.object({ correct: z.number(), total: z.number() })
/** What the job answers; its caller reads it with this schema. */
export const optimised = z.object({
  best: z.object({ number: z.number(), params: z.record(z.string(), z.unknown()), value: z.number() }),
  told: z.number(),
  failed: z.number(),
  baseline: counts,
  heldOut: z.object({ baseline: counts, best: counts }),
})

const optimise = effect(
  'optimise',
  'idempotent',
  async (input: unknown, context): Promise<z.infer<typeof optimised>> => {
    const { key, trials, parallel } = optimiseInput.parse(input)
    const baseline = await score('dev', BASELINE, part(context, 'baseline'))
    const { best, told, failed } = await runStudy.effect.run({ key, trials, parallel }, part(context, 'study'))
    if (best === undefined) throw new Error(`none of the ${told} trials was complete`)
    await promote.effect.run({ key, values: best.params, by: `study-triage/${key}` }, part(context, 'promote'))
    const heldOut = {
      baseline: await score('heldOut', BASELINE, part(context, 'held-out-baseline')),
      best: await score('heldOut', best.params, part(context, 'held-out-best')),
    }
    return { best, told, failed, baseline, heldOut }
  },
)

export const desk = session({ jobs: { optimise } })

export const actors = [general, optimizer, triage.actor, variables, desk, gates, purses]
