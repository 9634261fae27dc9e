/** A helper process of a row: started with a script and arguments, says `up` on stdout, ends with its stdin. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface Child extends AsyncDisposable {
  readonly pid: number
  /** Ends its stdin: asks it to leave in order. */
  end(): void
}

const START_MS = 20_000

export async function startChild(script: string, ...args: readonly string[]): Promise<Child> {
  const file = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(process.execPath, ['--conditions=troupe-source', file, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${script} did not start in ${START_MS} ms`)), START_MS)
    child.stdout.on('data', (text: Buffer) => {
      if (!text.toString().includes('up')) return
      clearTimeout(timer)
      resolve()
    })
    void ended.then(() => reject(new Error(`${script} ended while starting`)))
  })
  return {
    pid: child.pid ?? 0,
    end: () => child.stdin.end(),
    [Symbol.asyncDispose]: async () => {
      child.stdin.end()
      child.kill()
      await ended
    },
  }
}
