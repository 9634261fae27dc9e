/**
 * The environment: the only file of core that reads `process.env`.
 *
 *   NATS_URL             servers, comma separated
 *   NATS_CREDS           credentials file
 *   NATS_CONTEXT         a context of the `nats` command; by default the selected one
 *   TROUPE_NATS_SERVER   binary of nats-server
 *
 * 1. An explicit option always wins; `NATS_URL` wins over a context, and then takes nothing from it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

export interface NatsEnvironment {
  readonly servers?: string
  readonly creds?: string
}

export function natsEnvironment(env: NodeJS.ProcessEnv = process.env): NatsEnvironment {
  const creds = env['NATS_CREDS']
  const url = env['NATS_URL']
  const base = url ? { servers: url } : contextOf(env)
  return { ...base, ...(creds && { creds }) }
}

export interface ServerEnvironment {
  /** Binary of nats-server that was named. */
  readonly natsServer?: string
  /** Folders in which commands are looked up. */
  readonly path: string
}

export function serverEnvironment(env: NodeJS.ProcessEnv = process.env): ServerEnvironment {
  const natsServer = env['TROUPE_NATS_SERVER']
  return { ...(natsServer && { natsServer }), path: env['PATH'] ?? '' }
}

/** Where the `nats` command keeps `context.txt` (the selected name) and `context/<name>.json`. */
function contextOf(env: NodeJS.ProcessEnv): NatsEnvironment {
  const folder = join(env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'nats')
  const selected = join(folder, 'context.txt')
  const name = env['NATS_CONTEXT'] || (existsSync(selected) ? readFileSync(selected, 'utf8').trim() : '')
  const file = join(folder, 'context', `${name}.json`)
  if (!name || !existsSync(file)) return {}
  const context: unknown = JSON.parse(readFileSync(file, 'utf8'))
  const servers = text(context, 'url')
  const creds = text(context, 'creds')
  return { ...(servers && { servers }), ...(creds && { creds }) }
}

function text(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const found: unknown = Object.getOwnPropertyDescriptor(value, name)?.value
  return typeof found === 'string' && found !== '' ? found : undefined
}
