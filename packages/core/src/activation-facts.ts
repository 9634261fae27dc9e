/** Who takes actors up here, with which versions: recorded with every activation. */
import { createRequire } from 'node:module'
import type { Clock } from './ports.ts'
import type { Activation } from './step.ts'

export function activationFacts(node: string, app: string, clock: Clock): Activation {
  const require = createRequire(import.meta.url)
  const versionOf = (file: string): string => {
    const found: unknown = require(file)
    return typeof found === 'object' && found !== null && 'version' in found ? String(found.version) : 'unknown'
  }
  return {
    node,
    pid: process.pid,
    at: clock.now(),
    app,
    runtime: versionOf('../package.json'),
    xstate: versionOf('xstate/package.json'),
    nodejs: process.version,
  }
}
