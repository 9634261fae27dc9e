/**
 * Node processes of a demo cluster, as their launcher sees them.
 *
 * 1. A node's stdin is its lifeline: when the launcher is gone, however it went, the node ends.
 * 2. `end` waits until every node has ended; a node that does not leave in time is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface NodeConfig {
  readonly name: string
  readonly servers: string
  readonly namespace: string
  readonly leaseMs: number
  /** Of its `/metrics`; absent: it is not observed. */
  readonly metricsPort?: number
}

const SCRIPT = fileURLToPath(new URL('node.ts', import.meta.url))
const START_MS = 20_000
const LEAVE_MS = 8_000

export class NodeProcess {
  readonly name: string
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #said = ''

  constructor(config: NodeConfig) {
    this.name = config.name
    // A group of its own: Ctrl-C reaches the launcher alone, which then ends its nodes in order.
    this.#child = spawn(process.execPath, [...process.execArgv, SCRIPT, JSON.stringify(config)], {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    })
    this.#ended = new Promise((resolve) => this.#child.once('exit', () => resolve()))
    const hear = (data: Buffer) => {
      this.#said = `${this.#said}${data}`.slice(-4_000)
    }
    this.#child.stdout?.on('data', hear)
    this.#child.stderr?.on('data', hear)
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** The last lines it wrote. */
  get said(): string {
    return this.#said
  }

  /** Resolves when the node serves. @throws Error with its last words when it does not */
  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`node '${this.name}' ${why}\n${this.#said}`))
      const timer = setTimeout(() => fail(`did not start within ${START_MS} ms`), START_MS)
      this.#child.stdout?.on('data', () => {
        if (!this.#said.includes('serving\n')) return
        clearTimeout(timer)
        resolve()
      })
      void this.#ended.then(() => {
        clearTimeout(timer)
        fail('ended while starting')
      })
    })
  }

  /** As a crash would. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** Hands its shards over, ends its workers, leaves. */
  async end(): Promise<void> {
    if (!this.running) return
    this.#child.stdin?.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), LEAVE_MS)
    await this.#ended
    clearTimeout(timer)
  }
}
