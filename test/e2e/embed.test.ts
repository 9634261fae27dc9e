/** The runtime as a guest: in a web app, in a process that must end by itself, without the parts it does not need. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createSystem } from '@troupe/core'
import { eventually, natsServer, testNamespace } from '@troupe/core/testing'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { appOn, counter } from '../../examples/embed/app.ts'

const root = new URL('../..', import.meta.url).pathname
const main = join(root, 'examples/embed/main.ts')

const add = async (post: (path: string) => Response | Promise<Response>, key = 'visits'): Promise<unknown> =>
  (await post(`/counters/${key}/add`)).json()

test('the app answers from its actors, in memory and on NATS, with the same code', async () => {
  await using server = await natsServer()
  for (const place of [{}, { servers: server.url }]) {
    await using space = testNamespace(place)
    await using system = await createSystem({ actors: [counter], backend: space.backend, shards: 8 })
    const app = appOn(system)
    const post = (path: string) => app.request(path, { method: 'POST' })
    expect(await add(post)).toEqual({ count: 1 })
    expect(await add(post)).toEqual({ count: 2 })
    expect(await add(post, 'others')).toEqual({ count: 1 })
    const atOnce = await Promise.all(Array.from({ length: 20 }, () => add(post, 'busy')))
    expect(atOnce).toEqual(Array.from({ length: 20 }, (_, i) => ({ count: i + 1 })))
  }
})

interface Run {
  readonly child: ChildProcess
  readonly url: string
  readonly stderr: () => string
}

async function served(env: NodeJS.ProcessEnv): Promise<Run> {
  const child = spawn(process.execPath, ['--conditions=troupe-source', main], {
    env: { ...process.env, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
  const url = await eventually(() => /^http:.*$/m.exec(stdout)?.[0], { withinMs: 15_000, show: () => stderr })
  return { child, url: url ?? '', stderr: () => stderr }
}

/** Its own end: the signal is only asked for, the exit code is that of a program that has nothing left to do. */
async function ended({ child, stderr }: Run): Promise<unknown> {
  const gone = new Promise((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal, stderr: stderr() })),
  )
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
  const how = await gone
  clearTimeout(late)
  return how
}

const clean = { code: 0, signal: null, stderr: '' }

test('the program serves from memory and ends by itself after close', async () => {
  const run = await served({ NATS_URL: '' })
  const post = (path: string) => fetch(`${run.url}${path}`, { method: 'POST', headers: { connection: 'close' } })
  expect(await add(post)).toEqual({ count: 1 })
  expect(await add(post)).toEqual({ count: 2 })
  expect(await ended(run)).toEqual(clean)
})

test('on NATS the counters outlive the program', async () => {
  await using server = await natsServer()
  for (const count of [1, 2]) {
    const run = await served({ NATS_URL: server.url })
    const post = (path: string) => fetch(`${run.url}${path}`, { method: 'POST', headers: { connection: 'close' } })
    expect(await add(post)).toEqual({ count })
    expect(await ended(run)).toEqual(clean)
  }
})

/** Runs a script as a project of ours would, and reads what it prints as JSON. */
function printed(script: string): unknown {
  const args = ['--conditions=troupe-source', '--input-type=module', '-e', script]
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', timeout: 20_000 })
  if (stderr !== '') throw new Error(stderr)
  return JSON.parse(stdout)
}

const packagesLoadedBy = (entry: string): readonly string[] =>
  z.array(z.string()).parse(
    printed(`
    import { registerHooks } from 'node:module'
    const urls = new Set()
    registerHooks({ resolve: (name, context, next) => { const found = next(name, context); urls.add(found.url); return found } })
    await import('${entry}')
    const names = [...urls].map((url) => /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1]).filter(Boolean)
    console.log(JSON.stringify([...new Set(names)].sort()))
  `),
  )

/** msgpackr speeds itself up with a native part, where there is one. */
const LIGHT = /^(xstate|msgpackr|@?msgpackr-extract.*|detect-libc|node-gyp-build-optional-packages)$/

test('importing core loads XState and msgpack, and no NATS client; only ./nats does', () => {
  for (const entry of ['@troupe/core', '@troupe/core/testing', '@troupe/core/replay']) {
    const names = packagesLoadedBy(entry)
    expect(names).toEqual(expect.arrayContaining(['msgpackr', 'xstate']))
    expect(names.filter((name) => !LIGHT.test(name))).toEqual([])
  }
  expect(packagesLoadedBy('@troupe/core/nats')).toContain('@nats-io/transport-node')
})

test('a stopped or drained system leaves no handle: the process has nothing left and ends', async () => {
  await using server = await natsServer()
  const inMemory = 'const backend = undefined'
  const onNats = `
    const { nats } = await import('@troupe/core/nats')
    const backend = nats({ servers: '${server.url}', initialise: true })`
  for (const backend of [inMemory, onNats]) {
    for (const verb of ['stop', 'drain']) {
      const left = printed(`
        import { createSystem, defineActor, protocol } from '@troupe/core'
        ${backend}
        const says = protocol('nothing', { events: {} })
        const def = defineActor(says, { logic: says.handlers({}, {}) })
        const system = await createSystem({ actors: [def], shards: 8, ...(backend && { backend }) })
        await system.${verb}()
        const left = () => process.getActiveResourcesInfo().filter((kind) => !/^(Pipe|TTY|FS|Immediate)/.test(kind))
        // A socket that was ended is gone when its peer has answered.
        for (let i = 0; i < 1_000 && left().length > 0; i++) await new Promise(setImmediate)
        console.log(JSON.stringify(left()))
      `)
      expect(left).toEqual([])
    }
  }
})
