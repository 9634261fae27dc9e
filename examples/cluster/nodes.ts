/** The processes of this example: three nodes that can be killed and started again. None of them outlives this one. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const SCRIPT = fileURLToPath(new URL('node.ts', import.meta.url))

export class Nodes implements AsyncDisposable {
  readonly #servers: string
  readonly #running = new Map<string, ChildProcess>()

  constructor(servers: string) {
    this.#servers = servers
  }

  start(name: string): Promise<void> {
    const child = spawn(process.execPath, ['--conditions=troupe-source', SCRIPT, name, this.#servers], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#running.set(name, child)
    return new Promise((resolve, reject) => {
      child.stdout.once('data', () => resolve())
      child.once('exit', (code) => reject(new Error(`node '${name}' ended with ${code} while it started`)))
    })
  }

  /** No farewell: as when the machine loses its power. */
  async kill(name: string): Promise<void> {
    await this.#end(name, 'SIGKILL')
  }

  async #end(name: string, signal: NodeJS.Signals): Promise<void> {
    const child = this.#running.get(name)
    if (child === undefined) throw new Error(`no node '${name}' runs`)
    this.#running.delete(name)
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await gone
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.keys()].map((name) => this.#end(name, 'SIGTERM')))
  }
}
