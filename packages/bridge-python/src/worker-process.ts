/**
 * One Python process and its process group. Knows nothing of NATS.
 *
 * 1. Its end is told exactly once, with the reason and its last lines of output.
 * 2. It ends with this process: its standard input is a pipe that only we hold open, and it asks the kernel to die with us.
 * 3. Nothing of its group outlives it by more than `REMAINS_MS`; the group is signalled only while it must still be ours.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Clock } from '@troupe/core'

const TAIL_LINES = 20
const LINE_CHARS = 500
/** The lines are recorded in the log, and a connection that fails is often told with its address. */
const USER_OF_URL = /\/\/[^\s/@]+@/g
/** What the pipes may still bring after the exit. */
const LAST_WORDS_MS = 300
/** What the worker's sidecar gets to say goodbye for it. */
const REMAINS_MS = 500

export interface Command {
  readonly python: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

export interface ProcessEnd {
  readonly reason: string
  readonly output: readonly string[]
}

export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #clock: Clock
  readonly #tail: string[] = []
  readonly #onEnd: (end: ProcessEnd) => void
  #over = false
  #told = false

  constructor({ python, args, env }: Command, clock: Clock, onEnd: (end: ProcessEnd) => void) {
    this.#clock = clock
    this.#onEnd = onEnd
    const child = spawn(python, args, { env, stdio: 'pipe', detached: process.platform !== 'win32', windowsHide: true })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#keep(line))
    }
    child.once('error', (error) => this.#end(`'${python}' could not be started: ${error.message}`))
    child.once('exit', (code, signal) => {
      this.#over = true
      this.#clock.after(REMAINS_MS, () => this.#signalGroup('SIGKILL'))
      const reason = signal === null ? `exit code ${code}` : `killed by ${signal}`
      const late = this.#clock.after(LAST_WORDS_MS, () => this.#end(reason))
      child.once('close', () => {
        late.cancel()
        this.#end(reason)
      })
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Its last lines, newest last. */
  get output(): readonly string[] {
    return [...this.#tail]
  }

  /** Asks it to end soon. */
  terminate(): void {
    if (!this.#over) this.#child.kill('SIGTERM')
  }

  /** Ends it and all it has started. */
  kill(): void {
    if (this.#over) return
    if (!this.#signalGroup('SIGKILL')) this.#child.kill('SIGKILL')
  }

  #keep(line: string): void {
    this.#tail.push(line.slice(0, LINE_CHARS).replace(USER_OF_URL, '//***@'))
    if (this.#tail.length > TAIL_LINES) this.#tail.shift()
  }

  #end(reason: string): void {
    if (this.#told) return
    this.#told = this.#over = true
    this.#onEnd({ reason, output: this.output })
  }

  #signalGroup(signal: NodeJS.Signals): boolean {
    const { pid } = this.#child
    if (pid === undefined || process.platform === 'win32') return false
    try {
      return process.kill(-pid, signal)
    } catch {
      return false // nobody is left in it
    }
  }
}
