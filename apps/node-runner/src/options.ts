/** Options that several commands share. */
import { type Command, InvalidArgumentError } from 'commander'
import type { LogOptions } from './open-log.ts'

export interface ReadOptions extends LogOptions {
  readonly json?: boolean
}

/** Where the log is, and how the answer is printed. */
export function readOptions(command: Command): Command {
  return command
    .option('--nats <url>', 'read from this NATS server instead of the data folder')
    .option('--data <folder>', 'data folder (TROUPE_DATA, else .troupe)')
    .option('--run <id>', 'a run of the data folder, by the beginning of its id; else the latest')
    .option('--namespace <name>', "namespace; else the run's, else default")
    .option('--json', 'one JSON object on stdout')
}

export function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('it must be a whole number from 1.')
  return value
}

/** ISO time, or milliseconds since 1970. */
export function time(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  if (!Number.isFinite(value)) throw new InvalidArgumentError('it must be an ISO time or milliseconds since 1970.')
  return value
}
