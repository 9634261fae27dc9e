/**
 * The pool's worker port (`@troupe/actors`), filled by a Python process on NATS.
 *
 * 1. Ready when its hello has come with our nonce; lost when no beat has come for `LOST_MS`, or none but from a frozen one.
 *    While this node itself has no connection nobody is lost.
 * 2. A lost worker is killed before its loss is told. Every end is told to all nodes by a goodbye.
 * 3. Stopped it may finish its calls; released it has `RELEASE_MS` for that, then SIGTERM, then SIGKILL for its group.
 */
import { delimiter } from 'node:path'
import type { WorkerEnd, WorkerEvent, WorkerInput, WorkerLogic, WorkerStop } from '@troupe/actors'
import { type EffectRuntime, LogicRefused, packWire, resource, type Subscription, type Timer } from '@troupe/core'
import { pythonEnvironment } from './config.ts'
import { goodbye, LOST_MS, parsePresence } from './presence.ts'
import { pythonPath } from './python-path.ts'
import { type Command, type ProcessEnd, WorkerProcess } from './worker-process.ts'

const START_MS = 60_000
const LOOK_MS = 500
const FINISH_MS = 10_000
const RELEASE_MS = 2_000
const TERMINATE_MS = 3_000

export interface WorkerOptions {
  /** `module:app`, as in `python -m troupe_worker`. */
  readonly app: string
  /** Interpreter. @defaultValue `TROUPE_PYTHON`, else the nearest `.venv` above the working folder, else `python3` */
  readonly python?: string
  /** Calls at once in one worker. @defaultValue 1 */
  readonly slots?: number
  /** Added to the environment. */
  readonly env?: { readonly [name: string]: string }
  /** Folders where modules are looked up first. */
  readonly pythonPath?: readonly string[]
  /** NATS servers. @defaultValue those of the system */
  readonly servers?: readonly string[]
  /** Credentials file of workers. @defaultValue that of the system, else `NATS_CREDS` */
  readonly creds?: string
}

export function pythonWorker(options: WorkerOptions): WorkerLogic {
  return resource<WorkerInput, WorkerStop>((input, { sendBack, receive, runtime }) => {
    if (runtime === undefined) throw new LogicRefused('Python workers can be held inside a Troupe system only')
    if ((options.servers ?? runtime.servers).length === 0) {
      sendBack(cannotStart(NEEDS_NATS, runtime.clock.now()))
      return () => {}
    }
    const worker = new HeldWorker(options, input, runtime, sendBack)
    receive(() => worker.stop())
    return () => worker.release()
  })
}

function cannotStart(reason: string, at: number): WorkerEnd {
  return { type: 'worker.exited', at, reason, output: [] }
}

interface Identity {
  readonly pool: string
  readonly worker: string
  readonly nonce: string
}

class HeldWorker {
  readonly #runtime: EffectRuntime
  readonly #identity: Identity
  readonly #tell: (event: WorkerEvent) => void
  readonly #process: WorkerProcess
  readonly #presence: Subscription
  #looking: Timer | undefined
  #phase: 'starting' | 'ready' | 'ending' | 'over' = 'starting'
  #released = false
  #seenAt: number

  constructor(options: WorkerOptions, input: WorkerInput, runtime: EffectRuntime, tell: (event: WorkerEvent) => void) {
    const { entropy, clock, bus, subjects } = runtime
    const { pool, slot } = input
    const worker = `${pool}-${slot}-${entropy.hex(32)}`
    this.#runtime = runtime
    this.#tell = tell
    this.#identity = { pool, worker, nonce: entropy.hex(64) }
    this.#seenAt = clock.monotonic()
    this.#presence = bus.subscribe(subjects.presence(pool, worker), ({ data }) => this.#hear(data))
    this.#process = new WorkerProcess(commandOf(options, this.#identity, runtime), clock, (end) =>
      this.#end('worker.exited', end),
    )
    const { pid } = this.#process
    if (pid !== undefined) tell({ type: 'worker.started', name: worker, pid, at: clock.now() })
    this.#look()
  }

  stop(): void {
    this.#finish(FINISH_MS)
  }

  release(): void {
    this.#released = true
    this.#finish(RELEASE_MS)
  }

  /** Calls that run may end, then the worker does; a shorter time given later wins. */
  #finish(withinMs: number): void {
    if (this.#phase === 'over') return
    const { clock, bus, subjects } = this.#runtime
    const isReady = this.#phase !== 'starting'
    if (this.#phase === 'ready' && bus.connected) {
      bus.publish(subjects.worker(this.#identity.worker, 'stop'), packWire({ v: 1 }))
    }
    this.#phase = 'ending'
    // Before its hello it has no calls, and would not hear the verb.
    clock.after(isReady ? withinMs : 0, () => {
      this.#process.terminate()
      clock.after(TERMINATE_MS, () => this.#process.kill())
    })
  }

  #hear(data: Uint8Array): void {
    const message = parsePresence(data)
    if (message?.nonce !== this.#identity.nonce) return
    const { clock } = this.#runtime
    if (message.kind !== 'beat' || message.state !== 'frozen') this.#seenAt = clock.monotonic()
    if (message.kind !== 'hello' || this.#phase !== 'starting') return
    this.#phase = 'ready'
    this.#tell({ type: 'worker.ready', at: clock.now() })
  }

  #look(): void {
    const { clock, bus } = this.#runtime
    this.#looking = clock.after(LOOK_MS, () => {
      if (this.#phase !== 'starting' && this.#phase !== 'ready') return
      const now = clock.monotonic()
      if (!bus.connected) this.#seenAt = now
      const patienceMs = this.#phase === 'ready' ? LOST_MS : START_MS
      if (now - this.#seenAt <= patienceMs) return this.#look()
      const what = this.#phase === 'ready' ? 'no sign of life' : 'not ready'
      this.#process.kill()
      this.#end('worker.lost', { reason: `${what} for ${patienceMs} ms`, output: this.#process.output })
    })
  }

  #end(type: WorkerEnd['type'], { reason, output }: ProcessEnd): void {
    if (this.#phase === 'over') return
    this.#phase = 'over'
    this.#looking?.cancel()
    this.#presence.unsubscribe()
    const { clock, bus, subjects } = this.#runtime
    const { pool, worker } = this.#identity
    if (bus.connected) bus.publish(subjects.presence(pool, worker), goodbye(this.#identity, reason))
    if (!this.#released) this.#tell({ type, reason, output, at: clock.now() })
  }
}

/** The servers go by the environment: their addresses may hold a password, and every user can list command lines. */
export function commandOf(
  options: WorkerOptions,
  { pool, worker, nonce }: Identity,
  runtime: Pick<EffectRuntime, 'namespace' | 'servers' | 'creds'>,
): Command {
  const { app, slots = 1, env = {}, pythonPath: folders = [], servers = runtime.servers } = options
  const { inherited, creds } = pythonEnvironment()
  const credentials = options.creds ?? runtime.creds ?? creds
  const path = [...folders, inherited['PYTHONPATH']].filter((folder) => folder !== undefined && folder !== '')
  return {
    python: pythonPath(options.python),
    args: [
      ...['-m', 'troupe_worker', app, '--pool', pool, '--name', worker, '--nonce', nonce, '--slots', `${slots}`],
      ...['--namespace', runtime.namespace, '--parent', `${process.pid}`],
      ...(credentials === undefined ? [] : ['--creds', credentials]),
    ],
    env: {
      ...LAST_WORDS,
      ...inherited,
      ...env,
      ...(path.length > 0 && { PYTHONPATH: path.join(delimiter) }),
      TROUPE_NATS_URL: servers.join(','),
    },
  }
}

/** So that what a dying worker has to say is among its last lines. */
const LAST_WORDS = { PYTHONUNBUFFERED: '1', PYTHONFAULTHANDLER: '1' }
const NEEDS_NATS =
  "Python workers need a NATS server: createSystem({ backend: nats() }) from '@troupe/core/nats', or pool({ servers })"
