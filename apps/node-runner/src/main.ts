#!/usr/bin/env node
/**
 * The `troupe` command.
 *
 * 1. Data goes to stdout, all else to stderr; exit codes are those of `problem.ts`.
 * 2. The process ends by itself when its work is done: nothing is cut off, and what keeps it alive is a bug.
 */
import { Command, CommanderError } from 'commander'
import { actorCommand } from './commands/actor.ts'
import { clusterCommand } from './commands/cluster.ts'
import { deadCommand } from './commands/dead.ts'
import { eventCommand } from './commands/event.ts'
import { metricsCommand } from './commands/metrics.ts'
import { replayCommand } from './commands/replay.ts'
import { signaturesCommand } from './commands/signatures.ts'
import { spendingCommand } from './commands/spending.ts'
import { traceCommand } from './commands/trace.ts'
import { demoCommand } from './demo/command.ts'
import { blockOf, EXIT, problemOf } from './problem.ts'

const program = new Command('troupe')
  .description('supervised actors with a causal log')
  .showHelpAfterError('(troupe <command> --help shows what it takes)')
for (const command of [
  demoCommand(),
  traceCommand(),
  eventCommand(),
  replayCommand(),
  metricsCommand(),
  spendingCommand(),
  actorCommand(),
  deadCommand(),
  clusterCommand(),
  signaturesCommand(),
])
  program.addCommand(command)
for (const command of everyCommand(program)) command.exitOverride()

// A reader that has seen enough (`| head`) is no failure.
process.stdout.once('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(process.exitCode ?? EXIT.ok)
})

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
  else {
    const problem = problemOf(error)
    const { exit, ...facts } = problem
    const asJson = process.argv.includes('--json')
    process.stderr.write(asJson ? `${JSON.stringify({ error: { ...facts, exit: EXIT[exit] } })}\n` : blockOf(problem))
    process.exitCode = EXIT[exit]
  }
}

function* everyCommand(command: Command): Iterable<Command> {
  yield command
  for (const child of command.commands) yield* everyCommand(child)
}
