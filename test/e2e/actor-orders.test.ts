/** What an operator sees of a running cluster, and orders, on the command line. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSystem, Subjects } from '@troupe/core'
import { nats, startNatsServer } from '@troupe/core/nats'
import { eventually } from '@troupe/core/testing'
import { afterAll, expect, test } from 'vitest'
import { actors } from './small-app.ts'

const main = fileURLToPath(new URL('../../apps/node-runner/src/main.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'troupe-orders-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

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
  }
}, 60_000)

test('an operator sees why letters are dead, and has them delivered again', async () => {
  const server = await startNatsServer({ storeDir: join(folder, 'dead') })
  try {
    const { url, durabilityProof } = server
    const backend = nats({ servers: url, namespace: 'shop', initialise: true, durabilityProof })
    await using system = await createSystem({ actors, backend, node: 'one', shards: 8 })
    const [, shop] = actors
    const ref = system.get(shop, 'corner')
    const dead = async () => JSON.parse((await troupe(url, 'dead', 'list', '--type', 'shop', '--json')).out).items
    await system.destroy(ref)
    await ref.deliver({ type: 'buy', cents: 1 })
    const { shard } = await system.locate(ref.address)
    const noLetter = Buffer.from([0xc1])
    await system.connection.mail.store(new Subjects('shop').mail(shard, ref.address), noLetter, { id: 'no letter' })
    await eventually(async () => (await dead()).length === 2, { withinMs: 20_000, show: dead })
    const [late, unreadable] = await dead()
    expect(late).toMatchObject({ actor: 'shop/corner', reason: 'ActorDestroyed', event: { type: 'buy', cents: 1 } })
    expect(unreadable).toMatchObject({ actor: 'shop/corner', reason: 'InvalidEvent', bytes: { $bytes: 'wQ==' } })
    expect((await troupe(url, 'dead', 'list')).out).toMatch(
      /^ID .*\n1 +\S+ \S+ +1 +shop\/corner +buy +ActorDestroyed: .*\n2 .* \(not kept\) +InvalidEvent: .*\n$/,
    )
    expect((await troupe(url, 'dead', 'list', '--type', 'till')).err).toBe('there are no dead letters\n')

    await system.start(ref)
    const redriven = await troupe(url, 'dead', 'redrive', '--type', 'shop')
    expect(redriven).toMatchObject({ code: 5, err: 'warning: 1 letter could not be delivered again and stayed\n' })
    expect(redriven.out).toMatch(`${late.id}  shop/corner  delivered\n${unreadable.id}  shop/corner  refused: `)
    await eventually(async () => (await ref.snapshot()).context.cents === 2, { withinMs: 10_000 })
    expect(await dead()).toEqual([unreadable])
    expect(await troupe(url, 'dead', 'redrive', String(late.id))).toMatchObject({ code: 3, out: '' })
    expect((await troupe(url, 'dead', 'redrive', String(unreadable.id))).code).toBe(7)
    expect((await troupe(url, 'dead', 'redrive')).code).toBe(2)
  } finally {
    await server.stop()
  }
}, 60_000)
