/** What an operator sees of a running cluster, and orders, on the command line. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSystem } from '@troupe/core'
import { nats, startNatsServer } from '@troupe/core/nats'
import { expect, test } from 'vitest'
import { actors } from './small-app.ts'

const main = fileURLToPath(new URL('../../apps/node-runner/src/main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'troupe-orders-'))

function troupe(url: string, ...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const given = ['--conditions=troupe-source', main, ...args, '--nats', url, '--namespace', 'shop', '--data', folder]
  const child = spawn(process.execPath, given, { env: { ...process.env, NATS_URL: '' } })
  let [out, err] = ['', '']
  child.stdout.on('data', (data: Buffer) => void (out += data))
  child.stderr.on('data', (data: Buffer) => void (err += data))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })))
}

test('an operator sees nodes, actors and children, and orders a reset, an end and a new life', async () => {
  const server = await startNatsServer({ storeDir: join(folder, 'store') })
  try {
    const { url, durabilityProof } = server
    const backend = nats({ servers: url, namespace: 'shop', initialise: true, durabilityProof })
    await using system = await createSystem({ actors, backend, node: 'one', shards: 8 })
    const [, shop] = actors
    const ref = system.get(shop, 'corner')
    await ref.ask({ type: 'buy', cents: 5 })
    const tree = await troupe(url, 'actor', 'tree')
    expect(tree).toMatchObject({ code: 0, err: '' })
    expect(tree.out).toMatch(
      /^one {2}8 shards, 2 actors in memory\n {2}main-\d\n {4}shop\/corner {2}active open, step \d+\n/,
    )

    expect(await troupe(url, 'actor', 'reset', 'shop/corner', '--reason', 'spring')).toMatchObject({
      code: 0,
      out: 'shop/corner  reset\n',
    })
    expect((await ref.snapshot()).context).toMatchObject({ cents: 0 })
    expect((await troupe(url, 'actor', 'destroy', 'shop/corner')).code).toBe(0)
    await expect(ref.snapshot()).rejects.toMatchObject({ code: 'ActorDestroyed' })
    expect((await troupe(url, 'actor', 'start', 'shop/corner')).code).toBe(0)
    expect((await ref.snapshot()).matches('open')).toBe(true)
  } finally {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}, 60_000)
