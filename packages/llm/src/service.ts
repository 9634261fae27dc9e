/**
 * Answers the model calls of workers: `tr.<ns>.llm.complete` and `tr.<ns>.llm.cancel` over the bus.
 *
 * 1. A call (id and request) that is answered reaches the provider once here: a repeat re-attaches while it runs, then gets
 *    the kept answer for 60 s. A failure is not kept: the same call may be tried again.
 * 2. Every admitted call ends with exactly one `ok` or `err` frame to the reply subject it named last, and hears `hb`
 *    every 500 ms until then. A stopped service goes silent instead: the worker asks again and another node answers.
 * 3. A cancelled job's later calls are refused for 10 min, whatever is kept.
 * 4. At most `concurrent` provider calls run; the rest wait in order of arrival. A deadline counts from arrival.
 * 5. Money is reserved before a provider call and settled after it, also when nobody waits for the answer any more.
 * 6. All memory is bounded: calls waiting, answers kept (count and bytes), cancelled jobs.
 * 7. A stream goes out as it comes; a repeat gets all of its events again, numbered as before, also when the answer is kept.
 *
 * Known gaps: (a) nodes of one queue group do not share kept answers: a repeat that reaches another node is a second provider call. A
 * `budget` is that of one node too; a purse in the model (`inCluster`) is for all. (b) Waiting calls are served in order, not fairly per job.
 */
import { type Bus, type BusMessage, type Clock, Subjects, type Timer } from '@troupe/core'
import { type CallMessage, decodeCall, decodeCancel, type Outcome, type Reply, replyOf } from './frames.ts'
import { Kept } from './kept.ts'
import { abortError, asModelError, ModelError } from './model.ts'
import { type Answered, Outbox } from './outbox.ts'
import type { TextStream } from './text-stream.ts'
import { type Billed, Till, type TillOptions } from './till.ts'

const HEARTBEAT_MS = 500
const KEPT = { forMs: 60_000, count: 10_000, sizeBytes: 32 * 1024 * 1024 }
const CANCELLED_JOBS = { forMs: 600_000, count: 10_000, sizeBytes: 0 }
/** What an entry costs besides its text. */
const ENTRY_BYTES = 512

export interface ServeModels extends TillOptions {
  readonly bus: Bus
  readonly namespace: string
  readonly clock: Clock
  /** Provider calls at a time. */
  readonly concurrent?: number
  /** Calls that may wait for their turn; more are refused with `Busy`. */
  readonly queued?: number
}

export interface ModelServiceStats {
  readonly running: number
  readonly queued: number
  /** Provider calls made. */
  readonly calls: number
  readonly reattached: number
  readonly fromKept: number
  /** Calls of cancelled jobs. */
  readonly refused: number
  /** Messages that could not be understood, or named no inbox to answer to. */
  readonly invalid: number
  /** Frames that could not be published. */
  readonly lost: number
  readonly kept: { readonly count: number; readonly sizeBytes: number }
  readonly budget?: NonNullable<Till['budget']>
}

export interface ModelService {
  /** Takes no more calls, aborts the running ones and resolves when the provider's side of them has ended. */
  stop(): Promise<void>
  stats(): ModelServiceStats
}

interface Call extends CallMessage, Billed {
  readonly controller: AbortController
  reply: Reply
  startedMs?: number
  heldNanoUsd?: number
  deadline?: Timer
  /** Of whoever wants the text as it comes. */
  text?: TextStream
}

export function serveModels(options: ServeModels): ModelService {
  const { bus, namespace, model, clock, concurrent = 16, queued = 1024 } = options
  const till = new Till(options)
  const subjects = new Subjects(namespace)
  const open = new Map<string, Call>()
  const waiting = new Set<Call>()
  const running = new Set<Promise<void>>()
  const kept = new Kept<Answered>(clock, KEPT)
  const cancelledJobs = new Kept<true>(clock, CANCELLED_JOBS)
  const outbox = new Outbox(bus, model.name, clock)
  const counts = { calls: 0, reattached: 0, fromKept: 0, refused: 0, invalid: 0 }
  let beatTimer: Timer | undefined
  let stopped = false

  /** A later answer to the same call begins later; nothing else has to tell them apart. */
  const streamOf = ({ arrivedMs }: Billed): string => Math.round(arrivedMs * 1000).toString(36)

  const beat = (): void => {
    for (const { reply } of open.values()) outbox.beat(reply)
    beatTimer = open.size > 0 && !stopped ? clock.after(HEARTBEAT_MS, beat) : undefined
  }

  const finish = (call: Call, outcome: Outcome): void => {
    if (open.get(call.key) !== call) return
    open.delete(call.key)
    call.deadline?.cancel()
    if (stopped) {
      call.text?.stop()
      return
    }
    const events = call.text?.end(outcome.kind === 'ok' ? outcome.answer : undefined)
    const name = events && streamOf(call)
    // Only answers: a call that failed may be tried again under its id, and must then reach the provider.
    if (outcome.kind === 'ok') {
      const { answer } = outcome
      const sizeBytes = Buffer.byteLength(JSON.stringify(answer)) * (events ? 2 : 1) + ENTRY_BYTES
      kept.put(call.key, { answer, ...(events && name !== undefined && { stream: { name, events } }) }, sizeBytes)
    }
    outbox.finish(call.id, outcome, call.reply, name)
  }

  const run = async (call: Call): Promise<void> => {
    const { signal } = call.controller
    let outcome: Outcome
    try {
      const { request, heldNanoUsd } = till.hold(call.request)
      call.heldNanoUsd = heldNanoUsd
      call.startedMs = clock.monotonic()
      counts.calls += 1
      const onText = call.text && ((delta: string) => signal.aborted || call.text?.hear(delta))
      outcome = { kind: 'ok', answer: await model.complete(request, { signal, onText }) }
    } catch (error) {
      outcome = { kind: 'error', error: asModelError(error, signal) }
    }
    const told: Outcome = signal.aborted ? { kind: 'error', error: abortError(signal) } : outcome
    finish(call, told)
    till.close(call, outcome, told.kind === 'error' ? told.error.code : undefined)
  }

  const pump = (): void => {
    for (const call of waiting) {
      if (running.size >= concurrent) return
      waiting.delete(call)
      const done: Promise<void> = run(call).finally(() => {
        running.delete(done)
        if (!stopped) pump()
      })
      running.add(done)
    }
  }

  const abort = (call: Call, error: ModelError): void => {
    call.controller.abort(error)
    finish(call, { kind: 'error', error })
    if (waiting.delete(call)) till.close(call, { kind: 'error', error }, error.code)
  }

  const take = (call: CallMessage, reply: Reply): void => {
    if (cancelledJobs.has(call.job)) {
      counts.refused += 1
      outbox.refuse(new ModelError('Cancelled', `job '${call.job}' was cancelled`), reply)
      return
    }
    const same = open.get(call.key)
    if (same) {
      counts.reattached += 1
      till.repeat(call.job)
      same.reply = reply
      outbox.beat(reply)
      if (call.stream) same.text ??= outbox.openText(same, streamOf(same))
      same.text?.repeat()
      return
    }
    const answered = kept.get(call.key)
    if (answered) {
      counts.fromKept += 1
      till.repeat(call.job)
      outbox.repeat(call, answered, reply)
      return
    }
    const { deadlineMs } = call
    if (deadlineMs !== undefined && deadlineMs <= 0) {
      outbox.refuse(new ModelError('Timeout', 'the deadline had passed when the call arrived'), reply)
      return
    }
    if (waiting.size >= queued) {
      const text = `${waiting.size} model calls are waiting already`
      outbox.refuse(new ModelError('Busy', text, { retryAfterMs: 1000 }), reply)
      return
    }
    const admitted: Call = { ...call, reply, controller: new AbortController(), arrivedMs: clock.monotonic() }
    if (deadlineMs !== undefined) {
      const late = new ModelError('Timeout', `no answer within the ${Math.round(deadlineMs)} ms the caller had left`)
      admitted.deadline = clock.after(deadlineMs, () => abort(admitted, late))
    }
    if (call.stream) admitted.text = outbox.openText(admitted, streamOf(admitted))
    open.set(call.key, admitted)
    waiting.add(admitted)
    beatTimer ??= clock.after(HEARTBEAT_MS, beat)
    pump()
  }

  const onComplete = (message: BusMessage): void => {
    const reply = replyOf(message)
    if (reply === undefined) {
      counts.invalid += 1
      return
    }
    let call: CallMessage
    try {
      call = decodeCall(message)
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
      counts.invalid += 1
      outbox.refuse(error, reply)
      return
    }
    take(call, reply)
  }

  const onCancel = (message: BusMessage): void => {
    try {
      const { ids, job } = decodeCancel(message)
      if (job !== undefined) cancelledJobs.put(job, true)
      const error = new ModelError('Cancelled', 'the worker cancelled the call')
      for (const call of [...open.values()]) if (call.job === job || ids.includes(call.id)) abort(call, error)
    } catch (error) {
      if (!(error instanceof ModelError)) throw error
      counts.invalid += 1
    }
  }

  const subscriptions = [
    bus.subscribe(subjects.llm('complete'), onComplete, { queue: 'llm' }),
    bus.subscribe(subjects.llm('cancel'), onCancel),
  ]

  return {
    stop: async () => {
      stopped = true
      for (const subscription of subscriptions) subscription.unsubscribe()
      beatTimer?.cancel()
      const error = new ModelError('Cancelled', 'the model service stops')
      for (const call of [...open.values()]) abort(call, error)
      await Promise.all(running)
    },
    stats: () => ({
      ...counts,
      lost: outbox.lost,
      running: running.size,
      queued: waiting.size,
      kept: { count: kept.count, sizeBytes: kept.sizeBytes },
      ...(till.budget && { budget: till.budget }),
    }),
  }
}
