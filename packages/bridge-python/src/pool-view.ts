/**
 * Calls of one node to one pool: a queue, and the workers as `members.ts` sees them. Calls go straight to a worker.
 *
 * 1. Calls wait in the order of arrival; one that comes back (its worker was busy or has died) is the next.
 * 2. What was not started may run elsewhere. What may have been started runs again only if its class is `read` or
 *    `idempotent`; a `write` then ends as `EffectOutcomeUnknown`.
 * 3. A call under which two workers died is not tried on a third.
 * 4. The deadline covers the whole call: waiting, every run. A worker answers at it; `ANSWER_MS` later it is not waited for.
 * 5. After a lost connection, and when a worker says hello again, calls are repeated under their ids: the worker takes up
 *    the old run, or sends its kept answer.
 * 6. While there is no worker the pool is asked, and when it says that none will come, all waiting calls are told at once.
 */
import { type PoolProtocol, poolProtocol } from '@troupe/actors'
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
import { ensurePool, pause } from './availability.ts'
import { type Answer, Call, type CallRequest, decodeAnswer, encodeCall, encodeCancel } from './call.ts'
import { Cancelled, errorOf, NoFreeWorker, PoolUnavailable, ResultNotSerializable, WorkerKiller } from './errors.ts'
import { BUSY_MS, leastLoaded, type Member, Members } from './members.ts'
import { evidenceOf } from './trail.ts'

const QUEUED = 10_000
const DEATHS = 2
const ANSWER_MS = 300
const RETRY_MS = 1_000
/** Workers that live answer a hello within this. */
const LOOK_MS = 150
/** Cancellations that did not come from here; more are taken for the function's own doing. */
const CANCELLATIONS = 3

interface Run {
  readonly member: Member
  readonly reply: ReplySubject
  /** Sent more than once: that nobody listens now does not mean that nobody did. */
  repeated: boolean
}

export class PoolView implements Shared {
  readonly #runtime: EffectRuntime
  readonly #pool: string
  readonly #says: PoolProtocol
  readonly #members: Members
  readonly #queue: Call[] = []
  readonly #runs = new Map<Call, Run>()
  #seeking = false
  #closed = false

  constructor(runtime: EffectRuntime, pool: string) {
    this.#runtime = runtime
    this.#pool = pool
    this.#says = poolProtocol(pool)
    this.#members = new Members(runtime, pool, {
      onRoom: () => this.#pump(),
      onHello: (member) => {
        for (const call of member.calls) this.#repeat(call)
      },
      onGone: (member, reason, how) => {
        for (const call of [...member.calls]) {
          // Whoever was asked to end was not killed by what it ran: a pool that moves to another node asks its workers.
          if (how === 'dead') call.deaths += 1
          this.#release(call)
          this.#again(call, `worker '${member.worker}' ended: ${reason}`)
        }
        this.#pump()
      },
    })
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
    const { clock, bus } = this.#runtime
    const reply = bus.openReply((answer) => this.#answered(call, answer))
    this.#runs.set(call, { member, reply, repeated: false })
    member.calls.add(call)
    member.usedAt = clock.monotonic()
    call.runs += 1
    this.#publish(call, member, reply)
  }

  #repeat(call: Call): void {
    const run = this.#runs.get(call)
    if (run === undefined) return
    run.repeated = true
    this.#publish(call, run.member, run.reply)
  }

  #publish(call: Call, { worker }: Member, reply: ReplySubject): void {
    const { clock, bus, subjects } = this.#runtime
    if (!bus.connected) return // repeated when the worker is heard again
    try {
      const body = encodeCall(call.wireId, call.request, call.deadline - clock.monotonic())
      bus.publish(subjects.worker(worker, 'call'), body, { reply: reply.subject })
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error
      call.fail(error)
    }
  }

  #release(call: Call): Run | undefined {
    const run = this.#runs.get(call)
    this.#runs.delete(call)
    run?.reply.close()
    run?.member.calls.delete(call)
    return run
  }

  #cancel(call: Call, reason: string): void {
    const { bus, subjects } = this.#runtime
    const run = this.#runs.get(call)
    if (run === undefined || !bus.connected) return
    bus.publish(subjects.worker(run.member.worker, 'cancel'), encodeCancel(call.wireId, reason))
  }

  // ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #answered(call: Call, message: BusMessage | 'no-responders'): void {
    const run = this.#release(call)
    if (run === undefined) return
    if (message === 'no-responders') {
      if (run.repeated) this.#again(call, `worker '${run.member.worker}' no longer listens`)
      else this.#queue.unshift(call)
      this.#members.drop(run.member, 'it no longer listens')
    } else this.#judge(call, run.member, message)
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
    if (!answer.ok && answer.error.code === 'Cancelled' && ++call.cancellations <= CANCELLATIONS) {
      // Not by us: by an earlier run of this effect on a node that gave it up, or by a worker that ends. The old id is spent.
      call.wireId = `${call.request.id}~${this.#runtime.entropy.hex(32)}`
      return this.#again(call, answer.error.message)
    }
    call.request.evidence(evidenceOf(call, answer, member.lock))
    if (answer.ok) call.succeed(answer.value)
    else call.fail(errorOf(answer.error))
  }

  /** The call may have been started where it was. */
  #again(call: Call, why: string): void {
    const { fn, class: effectClass } = call.request
    const name = `${this.#pool}.${fn}`
    if (effectClass === 'write') call.fail(new EffectOutcomeUnknown(`${name}: ${why}; it may have taken effect`))
    else if (call.deaths >= DEATHS) call.fail(new WorkerKiller(`${name}: ${DEATHS} workers died with it; ${why}`))
    else {
      call.maybeStarted = true
      this.#queue.unshift(call)
    }
  }

  #late(call: Call): void {
    const { timeoutMs, fn } = call.request
    const run = this.#runs.get(call)
    if (run !== undefined && !call.overdue) {
      call.overdue = true
      this.#runtime.clock.after(ANSWER_MS, () => call.settled || this.#late(call))
      return
    }
    this.#cancel(call, 'its deadline has passed')
    if (run !== undefined) call.request.evidence({ fn, worker: run.member.worker, wallMs: timeoutMs })
    const what = `${this.#pool}.${fn}: no ${call.maybeStarted || run ? 'answer' : 'free worker'} within ${timeoutMs} ms`
    call.fail(call.maybeStarted || run ? new Timeout(what, { timeoutMs }) : new NoFreeWorker(what, { timeoutMs }))
  }

  // ── Without workers ─────────────────────────────────────────────────────────────────────────────────────────────────

  async #seek(): Promise<void> {
    if (this.#seeking || this.#members.all.length > 0) return
    this.#seeking = true
    await pause(this.#runtime.clock, LOOK_MS)
    while (!this.#closed && this.#queue.length > 0 && this.#members.all.length === 0) {
      const said = await ensurePool(this.#runtime, this.#says)
      if (said instanceof PoolUnavailable) for (const call of [...this.#queue]) call.fail(said)
      else {
        this.#members.call()
        await pause(this.#runtime.clock, said === 'coming' ? LOOK_MS : RETRY_MS)
      }
    }
    this.#seeking = false
  }
}
