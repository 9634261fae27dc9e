/** One limit for node processes and a Python pool, at a provider that counts; and the death of the limit's owner. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { pool } from '@troupe/bridge-python'
import { addressOf, createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { natsServer } from '@troupe/core/testing'
import { limited, openAiCompatible, serveModels } from '@troupe/llm'
import { signature } from '@troupe/signatures'
import { expect, test } from 'vitest'
import { limitProvider } from './limit-provider.ts'
import { callerOf } from './python-caller.ts'
import { CAP, sharedLimit, WINDOW_MS } from './shared-limit.ts'

const SCRIPT = fileURLToPath(new URL('limit-node.ts', import.meta.url))

class LimitNode {
  readonly name: string
  readonly #child: ChildProcess
  #said = ''

  constructor(name: string, ...args: readonly string[]) {
    this.name = name
    this.#child = spawn(process.execPath, ['--conditions=troupe-source', SCRIPT, name, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#child.stdout?.on('data', (data: Buffer) => {
      this.#said += data.toString()
    })
  }

  get up(): boolean {
    return this.#said.startsWith('up\n')
  }

  /** How often each outcome was. */
  get outcomes(): { readonly [outcome: string]: number } {
    const counts: { [outcome: string]: number } = {}
    for (const line of this.#said.split('\n').slice(1, -1)) counts[line] = (counts[line] ?? 0) + 1
    return counts
  }

  async end(signal?: 'SIGKILL'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    if (signal === undefined) this.#child.stdin?.end()
    else this.#child.kill(signal)
    await gone
  }
}

function fullest(arrivalsMs: readonly number[]): number {
  const counts = arrivalsMs.map(
    (fromMs) => arrivalsMs.filter((atMs) => atMs >= fromMs && atMs < fromMs + WINDOW_MS).length,
  )
  return Math.max(0, ...counts)
}

test('two nodes and a Python pool share one limit; the death of its owner loses no caller and bursts nothing', async () => {
  await using server = await natsServer()
  await using provider = await limitProvider({ cap: CAP, windowMs: WINDOW_MS })
  const workers = pool('predictors', { app: 'troupe_demo.triage:app', size: 2 })
  const predict = callerOf('predict', workers.predict(signature('text: str -> label: str', { name: 'Label' })))
  // A group of its own: the gate is owned by one of the two processes, which can be killed.
  const actors = [workers, predict.def].map((def) => ({ ...def, group: 'python' }))
  const backend = nats({ servers: server.url, initialise: true })
  await using system = await createSystem({ actors, backend, node: 'python', leaseMs: 3_000 })
  const account = 'provider/m/key'
  const nodes = ['one', 'two'].map((name) => new LimitNode(name, server.url, provider.url, account))
  const { clock } = system.runtime
  const model = limited(
    openAiCompatible({ baseUrl: provider.url, model: 'm' }),
    sharedLimit(account).in(system.runtime),
    clock,
  )
  const { bus, namespace } = system.connection
  const service = serveModels({ bus, namespace, model, clock })
  try {
    await expect.poll(() => nodes.every(({ up }) => up), { timeout: 30_000 }).toBe(true)
    await system.get(workers, 'main').ask({ type: 'start' }, { timeoutMs: 30_000 })
    const python = { ok: 0, failed: [] as unknown[], stop: false }
    const asking = [0, 1, 2].map(async (key) => {
      for (let n = 0; !python.stop; n++) {
        const { error } = await predict.run(system, `${key}`, { text: `${key} ${n}` })
        if (error === undefined) python.ok += 1
        else python.failed.push(error)
      }
    })
    const served = () => [python.ok, ...nodes.map(({ outcomes }) => outcomes['ok'] ?? 0)]
    const more = (than: readonly number[]) => served().every((count, n) => count > (than[n] ?? 0) + 15)
    await expect.poll(() => more([0, 0, 0]), { timeout: 60_000, message: `all are served: ${served()}` }).toBe(true)

    const { node: owner } = await system.locate(addressOf('gate', account))
    const survivor = nodes.find(({ name }) => name !== owner)
    await nodes.find(({ name }) => name === owner)?.end('SIGKILL')
    const then = [python.ok, survivor?.outcomes['ok'] ?? 0]
    const now = () => [python.ok, survivor?.outcomes['ok'] ?? 0].map((count, n) => count - (then[n] ?? 0))
    await expect
      .poll(() => now().every((count) => count > 25), { timeout: 60_000, message: `the others go on: ${now()}` })
      .toBe(true)
    python.stop = true
    await Promise.all(asking)
    expect({ owner: survivor?.name, survivor: survivor?.outcomes, python: python.failed }).toEqual({
      owner: expect.stringMatching(/^(one|two)$/),
      survivor: { ok: expect.any(Number) },
      python: [],
    })
  } finally {
    await service.stop()
    for (const node of nodes) await node.end()
  }
  expect(provider.refused).toBe(0)
  expect(fullest(provider.arrivalsMs)).toBeLessThanOrEqual(CAP)
  const spanMs = (provider.arrivalsMs.at(-1) ?? 0) - (provider.arrivalsMs[0] ?? 0)
  expect(provider.arrivalsMs.length, 'the rate is used').toBeGreaterThan((spanMs / WINDOW_MS) * CAP * 0.3)
}, 120_000)
