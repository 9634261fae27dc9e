/** What a demo run found, as the one object of `--json`. */
import type { Trial } from '@troupe/actors'
import type { ReplaySummary } from '@troupe/core/replay'
import type { Totals } from '@troupe/llm'
import type { z } from 'zod'
import type { optimised } from './app.ts'
import type { Away } from './away.ts'
import type { DemoOptions } from './options.ts'

export interface Findings {
  readonly options: DemoOptions
  readonly versions: { readonly [name: string]: string }
  readonly durability: string
  readonly model: string
  readonly trials: readonly Trial[]
  readonly optimised: z.infer<typeof optimised>
  readonly away: Away | undefined
  /** What the model service counted. */
  readonly asked: Totals
  readonly replay: ReplaySummary
  readonly wallMs: number
  readonly run: string
}

export function reportOf(findings: Findings) {
  const { options, versions, trials, optimised, away, asked, replay, wallMs, durability, model, run } = findings
  const { baseline, best, heldOut } = optimised
  return {
    versions,
    seed: options.seed,
    nodes: options.nodes,
    workers: options.workers,
    durability,
    model,
    run,
    trials: trials.map(({ number, params, value, state }) => ({ number, params, value, state })),
    baseline: { ...baseline, accuracy: baseline.correct / baseline.total },
    best,
    heldOut: { baseline: heldOut.baseline.correct, best: heldOut.best.correct, rows: heldOut.best.total },
    kill: away ?? null,
    asked,
    replay: {
      actors: replay.actors.length,
      steps: replay.steps,
      appends: replay.appends,
      mismatches: replay.mismatches,
    },
    events: replay.steps,
    wallMs,
  }
}
