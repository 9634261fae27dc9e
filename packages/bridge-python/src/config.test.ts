import { expect, test } from 'vitest'
import { pythonEnvironment } from './config.ts'
import { commandOf } from './worker.ts'

test('config/2: no key of a provider reaches a Python process, unless it is given to it', () => {
  const env = { PATH: '/bin', OPENAI_API_KEY: 'sk-1', anthropic_api_key: 'sk-2', TROUPE_PYTHON: 'py' }
  expect(pythonEnvironment(env)).toEqual({ python: 'py', inherited: { PATH: '/bin', TROUPE_PYTHON: 'py' } })
  const identity = { pool: 'p', worker: 'p-1', nonce: 'n' }
  const given = commandOf({ app: 'm:app', env: { MAPS_API_KEY: 'm' } }, identity, {
    namespace: 'n',
    servers: ['nats://a'],
  })
  expect(given.env['MAPS_API_KEY']).toBe('m')
})
