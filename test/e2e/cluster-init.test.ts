import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { createSystem } from '@troupe/core'
import { nats } from '@troupe/core/nats'
import { eventually, natsCluster, natsServer } from '@troupe/core/testing'
import { expect, test } from 'vitest'
import { actors } from './small-app.ts'

const main = fileURLToPath(new URL('../../apps/node-runner/src/main.ts', import.meta.url))

function init(url: string, ...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(
    process.execPath,
    ['--conditions=troupe-source', main, 'cluster', 'init', '--nats', url, ...args],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const said = { out: '', err: '' }
  child.stdout.on('data', (data: Buffer) => void (said.out += data))
  child.stderr.on('data', (data: Buffer) => void (said.err += data))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...said })))
}

/** How often each action was taken, as `--json` says. */
async function actionsOf(url: string, ...args: string[]): Promise<{ done: boolean; [action: string]: unknown }> {
  const { out } = await init(url, '--json', ...args)
  const { done, items }: { done: boolean; items: { action: string }[] } = JSON.parse(out)
  const count = (action: string) => items.filter((item) => item.action === action).length
  return { done, create: count('create'), change: count('change'), keep: count('keep'), refuse: count('refuse') }
}

test('cluster init makes a namespace that nodes refuse before, says so, and changes nothing the second time', async () => {
  await using server = await natsServer()
  const start = () => createSystem({ actors, backend: nats({ servers: server.url }), node: 'a' })
  const hint = expect.stringContaining('troupe cluster init --namespace default')
  await expect(start()).rejects.toMatchObject({ code: 'LogUnavailable', retryable: false, message: hint })
  expect(await actionsOf(server.url, '--dry-run')).toEqual({ done: false, create: 5, change: 0, keep: 0, refuse: 0 })
  await expect(start()).rejects.toMatchObject({ message: hint })
  expect(await actionsOf(server.url, '--group', 'main=8')).toMatchObject({ done: true, create: 5 })
  await using system = await start()
  expect(await system.get(actors[1], 'corner').ask({ type: 'buy', cents: 5 })).toBeDefined()
  expect(await actionsOf(server.url)).toMatchObject({ done: true, create: 0, change: 0, keep: 4 })
})

test('cluster init refuses what cannot be changed, with the fix, and then changes nothing at all', async () => {
  await using server = await natsServer()
  await init(server.url, '--group', 'main=8')
  const nc = await connect({ servers: server.url })
  const { streams } = await jetstreamManager(nc)
  await streams.update('TR_default_J', { max_age: 3_600_000_000_000 })
  const { code, out, err } = await init(server.url, '--group', 'main=16', '--group', 'gpu=4')
  expect(code).toBe(7)
  expect(out).toMatch(/refuse\s+group main\s+it has 8 shards for ever, 16 were asked for/)
  expect(err).toContain('error InitRefused: nothing was changed')
  expect(err).toContain('ask for --group main=8')
  expect((await streams.info('TR_default_J')).config.max_age).toBeGreaterThan(0)
  // A limit by which entries would vanish is taken away.
  expect(await actionsOf(server.url, '--group', 'gpu=4')).toMatchObject({ done: true, create: 1, change: 1, keep: 3 })
  expect((await streams.info('TR_default_J')).config.max_age).toBe(0)
  await nc.close()
})

test('cluster init raises a namespace to three replicas, which nodes that ask for r3 refuse before', async () => {
  await using cluster = await natsCluster(3)
  await init(cluster.url)
  const start = () => createSystem({ backend: nats({ servers: cluster.url, durability: 'r3' }) })
  const refusal = { code: 'DurabilityRefused', message: expect.stringContaining('troupe cluster init --durability r3') }
  await expect(start()).rejects.toMatchObject(refusal)
  expect(await actionsOf(cluster.url, '--durability', 'r3')).toMatchObject({ done: true, change: 4 })
  await using system = await start()
  expect(system.durability).toBe('r3')
  // Never lowered again.
  await eventually(async () => (await actionsOf(cluster.url))['keep'] === 4, { withinMs: 10_000 })
}, 60_000)

test('on one server a wish for three replicas is refused in words', async () => {
  await using server = await natsServer()
  const { code, err } = await init(server.url, '--durability', 'r3')
  expect(code).toBe(7)
  expect(err).toContain('3 replicas need a cluster of 3 servers')
})
