/**
 * How commands end: exit codes, and errors as one block on stderr that says what happened, the likely cause and the fix.
 *
 * 1. Errors of the runtime are told apart by `code`, never by message.
 */
import { TroupeError } from '@troupe/core'

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  unreachable: 4,
  partial: 5,
  diverged: 6,
  refused: 7,
} as const

export interface ProblemFacts {
  readonly code: string
  readonly exit: Exclude<keyof typeof EXIT, 'ok'>
  readonly what: string
  readonly likely?: string
  readonly fix?: string
}

export class Problem extends Error {
  readonly facts: ProblemFacts

  constructor(facts: ProblemFacts, cause?: unknown) {
    super(facts.what, cause === undefined ? undefined : { cause })
    this.name = 'Problem'
    this.facts = facts
  }
}

const KNOWN: { readonly [code: string]: Pick<ProblemFacts, 'exit' | 'likely' | 'fix'> } = {
  Disconnected: { exit: 'unreachable', fix: 'check --nats or NATS_URL; leave both out to read the data folder' },
  LogUnavailable: { exit: 'unreachable' },
  Timeout: { exit: 'unreachable', likely: 'the server is there but does not answer', fix: 'try again' },
  InvalidAddress: { exit: 'usage', fix: 'an address is type/key; `troupe actor ls` lists them' },
  DurabilityRefused: { exit: 'refused' },
  UnsupportedVersion: { exit: 'refused', likely: 'the log was written by a newer version', fix: 'upgrade this one' },
}

export function problemOf(error: unknown): ProblemFacts {
  if (error instanceof Problem) return error.facts
  if (error instanceof TroupeError) {
    return { exit: 'failed', ...KNOWN[error.code], code: error.code, what: error.message }
  }
  // A bug of ours or of the entry module: the stack is the only thing that helps.
  const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { code: 'Unexpected', exit: 'failed', what }
}

export function blockOf({ code, what, likely, fix }: ProblemFacts): string {
  const lines = [`error ${code}: ${what}`]
  if (likely !== undefined) lines.push(`  likely  ${likely}`)
  if (fix !== undefined) lines.push(`  fix     ${fix}`)
  return `${lines.join('\n')}\n`
}
