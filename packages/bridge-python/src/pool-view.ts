/**
 * Calls of one node to one pool: a queue, and the workers as `members.ts` sees them. Calls go straight to a worker.
 *
 * 1. Calls wait in the order of arrival; one that comes back (its worker was busy or has died) is the next.
 * 2. What was not started may run elsewhere. What may have been started runs again only if its class is `read` or
 *    `idempotent`; a `write` then ends as `EffectOutcomeUnknown`.
 * 3. A call under which two workers died is not tried on a third.
 * 4. The deadline covers the whole call: waiting, every run. A worker answers at it; `ANSWER_MS` later it is not waited for.
 * 5. While there is no worker the pool is asked, and when it says that none will come, all waiting calls are told at once.
 */
import { POOL_KEY, type PoolProtocol, poolProtocol } from '@troupe/actors'
import {
  type BusMessage,
  EffectOutcomeUnknown,
  type EffectRuntime,
  type ReplySubject,
  type Shared,
  SystemStopped,
  Timeout,
  TroupeError,
} from '@troupe/core'
import { type Answer, Call, type CallRequest, decodeAnswer, encodeCall, encodeCancel } from './call.ts'
import { Cancelled, errorOf, NoFreeWorker, PoolUnavailable, ResultNotSerializable, WorkerKiller } from './errors.ts'
import { BUSY_MS, leastLoaded, type Member, Members } from './members.ts'
import { parseAs } from './parse-as.ts'
import { Trail } from './trail.ts'

const QUEUED = 10_000
const DEATHS = 2
const ANSWER_MS = 300
/** Workers that live answer a hello within this. */
const LOOK_MS = 150
const ENSURE_MS = 30_000
const RETRY_MS = 1_000

interface Run {
  readonly member: Member
  readonly reply: ReplySubject
}

export class PoolView implements Shared {
  readonly #runtime: EffectRuntime
  readonly #pool: string
  readonly #says: PoolProtocol
  readonly #members: Members
  readonly #queue: Call[] = []
  readonly #runs = new Map<Call, Run>()
  /** By the signal of the effect, which all its calls share. */
  readonly #trails = new WeakMap<AbortSignal, Trail>()
  #seeking = false
  #closed = false

  constructor(runtime: EffectRuntime, pool: string) {
    this.#runtime = runtime
    this.#pool = pool
    this.#says = poolProtocol(pool)
    this.#members = new Members(runtime, pool, {
      onRoom: () => this.#pump(),
      onGone: (member, reason) => {
        for (const call of [...member.calls]) {
          call.deaths += 1
          this.#release(call)
          this.#again(call, `worker '${member.worker}' ended: ${reason}`)
        }
        this.#pump()
      },
    })
  }

  trailOf(signal: AbortSignal): Trail {
    const known = this.#trails.get(signal)
    if (known !== undefined) return known
    const fresh = new Trail()
    this.#trails.set(signal, fresh)
    return fresh
  }

  /** @throws what `errors.ts` lists */
  call(request: CallRequest): Promise<unknown> {
    const { clock } = this.#runtime
    const { signal, timeoutMs, fn } = request
    return new Promise((resolve, reject) => {
      const deadline = clock.monotonic() + timeoutMs
      const call = new Call(request, deadline, resolve, reject, () => {
        timer.cancel()
        signal.removeEventListener('abort', abort)
        this.#release(call)
        const waiting = this.#queue.indexOf(call)
        if (waiting >= 0) this.#queue.splice(waiting, 1)
        this.#pump()
      })
      const timer = clock.after(timeoutMs, () => this.#late(call))
      const abort = () => {
        this.#cancel(call, 'the caller no longer waits')
        call.fail(new Cancelled(`${this.#pool}.${fn} was cancelled by its caller`))
      }
      if (signal.aborted) return abort()
      if (this.#queue.length >= QUEUED) {
        return call.fail(
          new NoFreeWorker(`${QUEUED} calls wait for pool '${this.#pool}' already; call later or add workers`),
        )
      }
      signal.addEventListener('abort', abort)
      this.#queue.push(call)
      this.#pump()
    })
  }

  close(): void {
    this.#closed = true
    const stopped = new SystemStopped(`system '${this.#runtime.node}' has stopped`)
    for (const call of [...this.#queue, ...this.#runs.keys()]) call.fail(stopped)
    this.#members.close()
  }

  // ── Sending ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #pump(): void {
    const { clock, bus } = this.#runtime
    while (!this.#closed && bus.connected) {
      const [call] = this.#queue
      if (call === undefined) return
      const member = leastLoaded(this.#members.all, clock.monotonic())
      if (member === undefined) return void this.#seek()
      this.#queue.shift()
      this.#send(call, member)
    }
  }

  #send(call: Call, member: Member): void {
    const { clock, bus, subjects } = this.#runtime
    const now = clock.monotonic()
    const reply = bus.openReply((answer) => this.#answered(call, answer))
    this.#runs.set(call, { member, reply })
    member.calls.add(call)
    member.usedAt = now
    call.runs += 1
    try {
      const body = encodeCall(call.wireId, call.request, call.deadline - now)
      bus.publish(subjects.worker(member.worker, 'call'), body, { reply: reply.subject })
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error
      call.fail(error)
    }
  }

  #release(call: Call): Member | undefined {
    const run = this.#runs.get(call)
    this.#runs.delete(call)
    run?.reply.close()
    run?.member.calls.delete(call)
    return run?.member
  }

  #cancel(call: Call, reason: string): void {
    const { bus, subjects } = this.#runtime
    const run = this.#runs.get(call)
    if (run === undefined || !bus.connected) return
    bus.publish(subjects.worker(run.member.worker, 'cancel'), encodeCancel(call.wireId, reason))
  }

  // ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #answered(call: Call, message: BusMessage | 'no-responders'): void {
    const member = this.#release(call)
    if (member === undefined) return
    if (message === 'no-responders') {
      this.#queue.unshift(call)
      this.#members.drop(member, 'it no longer listens')
    } else this.#judge(call, member, message)
    this.#pump()
  }

  #judge(call: Call, member: Member, message: BusMessage): void {
    let answer: Answer
    try {
      answer = decodeAnswer(message)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      return call.fail(new ResultNotSerializable(`the answer to ${call.request.fn} cannot be read: ${why}`))
    }
    if (!answer.ok && answer.error.code === 'Busy') {
      member.busyUntil = this.#runtime.clock.monotonic() + BUSY_MS
      this.#queue.unshift(call)
      this.#runtime.clock.after(BUSY_MS, () => this.#pump())
      return
    }
    if (!answer.ok && answer.error.code === 'Cancelled') {
      // Not by us: by an earlier run of this effect on a node that gave it up, or by a worker that ends. The old id is spent.
      call.wireId = `${call.request.id}~${this.#runtime.entropy.hex(32)}`
      return this.#again(call, answer.error.message)
    }
    const { worker, wallMs, spans, dropped } = answer
    call.request.evidence({
      ...{ fn: call.request.fn, worker, wallMs },
      ...(spans.length > 0 && { spans }),
      ...(dropped > 0 && { dropped }),
      ...(member.lock !== undefined && { lock: member.lock }),
      ...(call.runs > 1 && { runs: call.runs }),
    })
    if (answer.ok) call.succeed(answer.value)
    else call.fail(errorOf(answer.error))
  }

  /** The call may have been started where it was. */
  #again(call: Call, why: string): void {
    const { fn, class: effectClass } = call.request
    const name = `${this.#pool}.${fn}`
    if (effectClass === 'write') call.fail(new EffectOutcomeUnknown(`${name}: ${why}; it may have taken effect`))
    else if (call.deaths >= DEATHS) call.fail(new WorkerKiller(`${name}: ${DEATHS} workers died with it; ${why}`))
    else this.#queue.unshift(call)
  }

  #late(call: Call): void {
    const { timeoutMs, fn } = call.request
    const what = `${this.#pool}.${fn}`
    if (!this.#runs.has(call)) {
      return call.fail(new NoFreeWorker(`${what}: no worker had a free slot within ${timeoutMs} ms`, { timeoutMs }))
    }
    this.#runtime.clock.after(ANSWER_MS, () => {
      if (call.settled) return
      this.#cancel(call, 'its deadline has passed')
      call.fail(new Timeout(`${what}: no answer within ${timeoutMs} ms`, { timeoutMs }))
    })
  }

  // ── Without workers ─────────────────────────────────────────────────────────────────────────────────────────────────

  async #seek(): Promise<void> {
    if (this.#seeking || this.#members.all.length > 0) return
    this.#seeking = true
    await this.#pause(LOOK_MS)
    while (!this.#closed && this.#queue.length > 0 && this.#members.all.length === 0) {
      const unavailable = await this.#ensure()
      if (unavailable !== undefined) for (const call of [...this.#queue]) call.fail(unavailable)
    }
    this.#seeking = false
  }

  /** Has the pool started; says why no worker will come. */
  async #ensure(): Promise<PoolUnavailable | undefined> {
    try {
      const said = await this.#runtime.ask(this.#says, POOL_KEY, { type: 'ensure' }, { timeoutMs: ENSURE_MS })
      const { state, reason, output } = parseAs(this.#says.replies.ensure, said, `the answer of pool '${this.#pool}'`)
      if (state === 'failed' || state === 'stopped') {
        const lines = output === undefined || output.length === 0 ? '' : `\n${output.join('\n')}`
        const why = state === 'stopped' ? 'was stopped' : `has no worker that starts: ${reason}${lines}`
        return new PoolUnavailable(`pool '${this.#pool}' ${why}`, { state, reason, output })
      }
      this.#members.call()
      await this.#pause(LOOK_MS)
    } catch (error) {
      // Nobody hosts the pool now, or there is no connection. Workers started by hand may still come.
      if (!(error instanceof TroupeError)) throw error
      await this.#pause(RETRY_MS)
    }
    return undefined
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#runtime.clock.after(ms, resolve))
  }
}
