/**
 * The causal log as OpenTelemetry traces, sent to an OTLP/HTTP receiver: once to its end, or for as long as it grows.
 *
 * 1. At least once and in order of the log: `onCursor` is told after a batch was taken, and an export from that cursor repeats nothing
 *    that was taken before. What is sent twice has the same ids.
 * 2. A slow receiver holds the reading of the log up, nothing else; memory holds one batch and what is open.
 * 3. A batch that is not taken after all tries is dropped, counted and said; the export goes on behind it.
 * 4. Spans are sent when they have ended. An export to the end of the log also sends what is open, marked `troupe.open`; when it has
 *    ended, the same ids come again with their end. `close` sends what has ended by then.
 */

import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer'
import type { Clock, Journal, JournalEntry, Subjects } from '@troupe/core'
import type { LogSpan } from './log-span.ts'
import { LogSpans, type LogSpansState } from './log-spans.ts'
import { DeliveryFailed, Otlp, type OtlpTarget } from './otlp.ts'
import { readableSpans } from './readable-spans.ts'

/** Where an export goes on: plain JSON, a few hundred bytes for each effect and ask that is open. */
export interface TraceCursor {
  /** Another log than the one it was made for begins at its beginning. */
  readonly streamId: string
  /** Everything up to this journal position was sent. */
  readonly position: number
  readonly state: LogSpansState
}

export interface ExportTraces extends OtlpTarget {
  readonly journal: Journal
  readonly subjects: Subjects
  readonly clock: Clock
  readonly namespace: string
  /** `service.name`. @defaultValue 'troupe' */
  readonly service?: string
  /** Goes on with what is written from then on, until `close`. @defaultValue false */
  readonly follow?: boolean
  readonly from?: TraceCursor
  readonly onCursor?: (cursor: TraceCursor) => void
  /** Batches that were dropped, and what a receiver says. @defaultValue nothing */
  readonly onLog?: (text: string, data: object) => void
}

export interface TraceExportStats {
  readonly sent: number
  /** Spans that no try has delivered, or the receiver has refused. */
  readonly dropped: number
  /** Entries of encrypted actors, which are not exported. */
  readonly sealed: number
  readonly unreadable: number
}

export interface TraceExport extends AsyncDisposable {
  /** Resolves at the end of the log, with `follow` after `close`. @throws what reading the log throws */
  readonly done: Promise<TraceExportStats>
  stats(): TraceExportStats
  /** Sends what has ended so far; takes at most the time of all tries of two batches. */
  close(): Promise<TraceExportStats>
}

const BATCH_SPANS = 512
/** So long a span waits for others to travel with. */
const BATCH_MS = 500

export function exportTraces(options: ExportTraces): TraceExport {
  const run = new Exporting(options)
  const done = run.run()
  // Whoever awaits it hears of the failure; nobody has to.
  done.catch(() => {})
  const close = async (): Promise<TraceExportStats> => {
    run.stop()
    return done
  }
  return {
    done,
    stats: () => run.stats(),
    close,
    [Symbol.asyncDispose]: async () => void (await close().catch(() => {})),
  }
}

class Exporting {
  readonly #o: ExportTraces
  readonly #otlp: Otlp
  readonly #spans: LogSpans
  readonly #end = new AbortController()
  readonly #from: TraceCursor | undefined
  #batch: LogSpan[] = []
  /** Of the newest entry that was read. */
  #position = 0
  #sending: Promise<void> = Promise.resolve()
  #timed = false
  #sent = 0
  #dropped = 0

  constructor(options: ExportTraces) {
    this.#o = options
    this.#otlp = new Otlp(options, options.clock)
    const { from, journal } = options
    this.#from = from?.streamId === journal.streamId ? from : undefined
    this.#spans = new LogSpans(journal.streamId, this.#from?.state)
  }

  stop(): void {
    this.#end.abort()
  }

  stats(): TraceExportStats {
    const { sealed, unreadable } = this.#spans
    return { sent: this.#sent, dropped: this.#dropped, sealed, unreadable }
  }

  async run(): Promise<TraceExportStats> {
    const { clock, follow = false } = this.#o
    for await (const entry of this.#entries(follow)) {
      if (this.#end.signal.aborted) break
      this.#batch.push(...this.#spans.take(entry))
      this.#position = entry.position
      if (this.#batch.length >= BATCH_SPANS) await this.#flush()
      else if (follow) this.#flushSoon()
    }
    if (!follow && !this.#end.signal.aborted) this.#batch.push(...this.#spans.rest(clock.now()))
    await this.#flush()
    return this.stats()
  }

  #entries(follow: boolean): AsyncIterable<JournalEntry> {
    const { journal, subjects } = this.#o
    const first = (this.#from?.position ?? 0) + 1
    const { signal } = this.#end
    return follow
      ? journal.follow(subjects.journals(), { from: first, signal })
      : journal.read(subjects.journals(), { from: first })
  }

  #flushSoon(): void {
    if (this.#timed) return
    this.#timed = true
    this.#o.clock.after(BATCH_MS, () => {
      this.#timed = false
      // What it fails with ends `run` at its next flush.
      this.#flush().catch(() => {})
    })
  }

  /** One after the other, so that the cursor never runs ahead. */
  #flush(): Promise<void> {
    this.#sending = this.#sending.then(() => this.#send())
    return this.#sending
  }

  async #send(): Promise<void> {
    const batch = this.#batch
    this.#batch = []
    const { journal, onCursor } = this.#o
    const position = this.#position
    const isNew = position > (this.#from?.position ?? 0)
    const state = isNew && onCursor !== undefined ? this.#spans.state() : undefined
    for (let at = 0; at < batch.length; at += BATCH_SPANS) await this.#post(batch.slice(at, at + BATCH_SPANS))
    if (state !== undefined) onCursor?.({ streamId: journal.streamId, position, state })
  }

  async #post(spans: readonly LogSpan[]): Promise<void> {
    const { namespace, service = 'troupe', onLog = () => {} } = this.#o
    try {
      const body = JsonTraceSerializer.serializeRequest(readableSpans(spans, { service, namespace }))
      const answer = await this.#otlp.send('traces', body ?? new Uint8Array())
      const { rejected, why } = rejectedIn(answer)
      this.#sent += spans.length - rejected
      this.#dropped += rejected
      if (rejected > 0) onLog('the receiver has refused spans', { spans: rejected, why })
    } catch (error) {
      if (!(error instanceof DeliveryFailed)) throw error
      this.#dropped += spans.length
      onLog('spans are dropped', { spans: spans.length, dropped: this.#dropped, why: error.message })
    }
  }
}

/** Receivers may answer nothing, or something else than JSON: then all was taken. */
function rejectedIn(answer: Uint8Array): { readonly rejected: number; readonly why: string } {
  try {
    const { partialSuccess } = JsonTraceSerializer.deserializeResponse(answer)
    // A 64-bit number is text in JSON.
    const rejected = Number(partialSuccess?.rejectedSpans ?? 0)
    return { rejected: Number.isFinite(rejected) ? rejected : 0, why: partialSuccess?.errorMessage ?? '' }
  } catch {
    return { rejected: 0, why: '' }
  }
}
