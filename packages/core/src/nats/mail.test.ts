import { afterAll, beforeAll, beforeEach } from 'vitest'
import type { Backend } from '../ports.ts'
import { mailScenarios } from '../testing/mail-scenarios.ts'
import { natsServer, type TestServer } from '../testing/nats-server.ts'
import { nats } from './backend.ts'

let server: TestServer
let backend: Backend
let tests = 0
beforeAll(async () => {
  server = await natsServer()
})
afterAll(() => server?.end())
beforeEach(() => {
  backend = nats({ servers: server.url, namespace: `mail-${++tests}`, initialise: true })
})

mailScenarios('nats', () => ({ backend }))
