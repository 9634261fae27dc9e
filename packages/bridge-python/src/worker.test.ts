import { realClock } from '@troupe/core'
import { expect, test } from 'vitest'
import { commandOf } from './worker.ts'
import { type ProcessEnd, WorkerProcess } from './worker-process.ts'

const identity = { pool: 'p', worker: 'p-1', nonce: 'n' }
const secret = 'nats://joe:hidden@127.0.0.1:4222'

test('a worker gets the servers of its system, and no command line shows their password', () => {
  const { args, env } = commandOf({ app: 'm:app' }, identity, { namespace: 'n', servers: [secret, 'nats://b'] })
  expect(env['TROUPE_NATS_URL']).toBe(`${secret},nats://b`)
  expect(args.join(' ')).not.toContain('hidden')
})

test("credentials are the pool's own, else the system's", () => {
  const system = { namespace: 'n', servers: ['nats://a'], creds: '/system.creds' }
  const credsOf = (options: { creds?: string }, runtime: typeof system) => {
    const { args } = commandOf({ app: 'm:app', ...options }, identity, runtime)
    return args[args.indexOf('--creds') + 1]
  }
  expect(credsOf({}, system)).toBe('/system.creds')
  expect(credsOf({ creds: '/pool.creds' }, system)).toBe('/pool.creds')
})

test('worker-process/1: the last lines are kept, without the passwords in addresses', async () => {
  const script = `console.log('no connection to ${secret}, nor tls://token@host'); console.error('mail to a@b.c')`
  const { output } = await new Promise<ProcessEnd>((resolve) => {
    new WorkerProcess({ python: process.execPath, args: ['-e', script], env: process.env }, realClock(), resolve)
  })
  expect(output.toSorted()).toEqual(['mail to a@b.c', 'no connection to nats://***@127.0.0.1:4222, nor tls://***@host'])
})
