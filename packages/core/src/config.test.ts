import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { natsEnvironment, serverEnvironment } from './config.ts'

function contexts(selected: string, files: Record<string, unknown>): string {
  const home = mkdtempSync(join(tmpdir(), 'troupe-config-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  mkdirSync(join(home, 'nats', 'context'), { recursive: true })
  writeFileSync(join(home, 'nats', 'context.txt'), `${selected}\n`)
  for (const [name, value] of Object.entries(files)) {
    writeFileSync(join(home, 'nats', 'context', `${name}.json`), JSON.stringify(value))
  }
  return home
}

test('1: NATS_URL wins over the selected context and takes nothing from it', () => {
  const home = contexts('prod', { prod: { url: 'nats://prod:4222', creds: '/prod.creds' } })
  expect(natsEnvironment({ XDG_CONFIG_HOME: home, NATS_URL: 'nats://a:1' })).toEqual({ servers: 'nats://a:1' })
  expect(natsEnvironment({ XDG_CONFIG_HOME: home, NATS_URL: 'nats://a:1', NATS_CREDS: '/c' })).toEqual({
    servers: 'nats://a:1',
    creds: '/c',
  })
})

test('reads the selected context, or the one NATS_CONTEXT names', () => {
  const home = contexts('prod', {
    prod: { url: 'nats://prod:4222', creds: '/prod.creds', password: '' },
    dev: { url: 'nats://dev:4222', creds: '' },
  })
  expect(natsEnvironment({ XDG_CONFIG_HOME: home })).toEqual({ servers: 'nats://prod:4222', creds: '/prod.creds' })
  expect(natsEnvironment({ XDG_CONFIG_HOME: home, NATS_CONTEXT: 'dev' })).toEqual({ servers: 'nats://dev:4222' })
})

test('an environment that says nothing gives nothing', () => {
  expect(natsEnvironment({ XDG_CONFIG_HOME: contexts('', {}) })).toEqual({})
  expect(natsEnvironment({ XDG_CONFIG_HOME: '/nowhere' })).toEqual({})
  expect(serverEnvironment({})).toEqual({ path: '' })
  expect(serverEnvironment({ TROUPE_NATS_SERVER: '/bin/n', PATH: '/bin' })).toEqual({
    natsServer: '/bin/n',
    path: '/bin',
  })
})
