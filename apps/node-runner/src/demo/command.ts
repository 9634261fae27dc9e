/** `troupe demo`: the main job, end to end. */
import { Command, InvalidArgumentError } from 'commander'
import { DEFAULTS } from './options.ts'
import { Screen } from './screen.ts'

const whole = (least: number, most: number) => (text: string) => {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new InvalidArgumentError(`a whole number from ${least} to ${most} is needed`)
}

interface Given {
  readonly trials: number
  readonly seed: number
  readonly nodes: number
  readonly workers: number
  readonly kill: boolean
  readonly json?: boolean
  readonly ephemeral?: boolean
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('optimise a DSPy program on a cluster of processes, kill a node half-way, replay the run from its log')
    .option('--trials <n>', 'trials of the study', whole(2, 500), DEFAULTS.trials)
    .option('--seed <n>', 'seed of the study', whole(0, 1_000_000_000), DEFAULTS.seed)
    .option('--nodes <n>', 'node processes', whole(1, 8), DEFAULTS.nodes)
    .option('--workers <n>', 'general Python workers, and trials at a time', whole(1, 8), DEFAULTS.workers)
    .option('--no-kill', 'do not SIGKILL the node that hosts the study half-way')
    .option('--json', 'one JSON object on stdout; everything else on stderr')
    .option('--ephemeral', 'remove the data afterwards')
    .action(async ({ json = false, ephemeral = false, ...given }: Given) => {
      const screen = new Screen(json)
      const options = { ...given, json, ephemeral, kill: given.kill && given.nodes > 1 }
      if (given.kill && given.nodes === 1) screen.line('One node: nobody could take over, so none is killed.')
      const signal = interrupted()
      try {
        // Only now: other commands need none of it, and `signatures build` has to run when its signatures are not compiled.
        const { runDemo } = await import('./run.ts')
        const report = await runDemo(options, screen, signal)
        if (json) process.stdout.write(`${JSON.stringify(report)}\n`)
      } catch (error) {
        if (!signal.aborted) throw error
        screen.line('Stopped. Nothing is left running; what was acknowledged is in the data folder.')
      }
    })
}

/** Aborts on Ctrl-C; the run then ends what it started, and the process with it. */
function interrupted(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.exitCode = signal === 'SIGINT' ? 130 : 143
      controller.abort(new Error(`stopped by ${signal}`))
    })
  }
  return controller.signal
}
