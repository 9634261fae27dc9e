/**
 * `troupe trace export`: the log as OpenTelemetry traces to an OTLP/HTTP receiver.
 *
 * 1. With `--cursor` a file keeps where it is: the next export goes on there.
 * 2. The OpenTelemetry packages are loaded by this command alone.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { realClock } from '@troupe/core'
import type { TraceCursor } from '@troupe/telemetry/otel'
import { type Command, InvalidArgumentError } from 'commander'
import { withLog } from '../open-log.ts'
import { type ReadOptions, readOptions } from '../options.ts'
import { API_VERSION, print } from '../output.ts'
import { EXIT, Problem } from '../problem.ts'

interface ExportOptions extends ReadOptions {
  readonly otlp: string
  readonly follow?: boolean
  readonly cursor?: string
  readonly header: Readonly<Record<string, string>>
}

export function exportOptions(command: Command): Command {
  return readOptions(command)
    .description('traces to OpenTelemetry: what the log holds, or with --follow also what comes')
    .requiredOption('--otlp <url>', 'an OTLP/HTTP receiver, as http://localhost:4318', httpUrl)
    .option('-f, --follow', 'go on with new ones until interrupted')
    .option('--cursor <file>', 'go on where the last export with this file ended')
    .option('--header <name=value>', 'a header of each request, as authorization=…; may be repeated', header, {})
    .action(exported)
}

function exported({ otlp, follow = false, cursor, header: headers, json, ...options }: ExportOptions): Promise<void> {
  return withLog(options, async ({ connection, subjects }) => {
    const { exportTraces } = await import('@troupe/telemetry/otel')
    const { journal, namespace } = connection
    const from = cursor === undefined ? undefined : cursorIn(cursor)
    const run = exportTraces({
      ...{ journal, subjects, namespace, clock: realClock(), url: otlp, headers, follow },
      ...(from && { from }),
      ...(cursor !== undefined && { onCursor: (at: TraceCursor) => keep(cursor, at) }),
      onLog: (text, data) => process.stderr.write(`warning: ${text} ${JSON.stringify(data)}\n`),
    })
    process.once('SIGINT', () => void run.close().catch(() => {}))
    const { sent, dropped, sealed, unreadable } = await run.done
    if (json) print(JSON.stringify({ apiVersion: API_VERSION, kind: 'TraceExport', sent, dropped, sealed, unreadable }))
    else print(`${sent} spans sent, ${dropped} dropped${sealed > 0 ? `; ${sealed} encrypted entries left out` : ''}`)
    if (dropped > 0 || unreadable > 0) process.exitCode = EXIT.partial
  })
}

function cursorIn(file: string): TraceCursor | undefined {
  if (!existsSync(file)) return undefined
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (isCursor(value)) return value
  } catch {
    // Said below: it is not ours.
  }
  const what = `'${file}' is no cursor of an export`
  throw new Problem({ code: 'NoCursor', exit: 'usage', what, fix: 'name another file; one that is not there is made' })
}

function isCursor(value: unknown): value is TraceCursor {
  if (typeof value !== 'object' || value === null) return false
  const has = (name: string, type: string) => typeof Reflect.get(value, name) === type
  const state: unknown = Reflect.get(value, 'state')
  const lists = ['open', 'made', 'writers'].map(
    (name) => typeof state === 'object' && state !== null && Reflect.get(state, name),
  )
  return has('streamId', 'string') && has('position', 'number') && lists.every(Array.isArray)
}

/** Whole or not at all. */
function keep(file: string, cursor: TraceCursor): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(cursor)}\n`)
  renameSync(`${file}.new`, file)
}

function httpUrl(text: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) throw new InvalidArgumentError('it must be an http(s) URL.')
  return text
}

function header(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const [, name, value] = /^([^=\s]+)=(.*)$/.exec(text) ?? []
  if (name === undefined || value === undefined) throw new InvalidArgumentError('it must be of the form name=value.')
  return { ...before, [name]: value }
}
