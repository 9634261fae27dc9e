import { beforeEach } from 'vitest'
import { memory } from './memory/backend.ts'
import type { Backend } from './ports.ts'
import { mailScenarios } from './testing/mail-scenarios.ts'

let backend: Backend
beforeEach(() => {
  backend = memory()
})
mailScenarios('memory', () => ({ backend }))
