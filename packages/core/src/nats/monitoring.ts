/** Asks the monitoring port of servers (`/varz`) for what no ordinary account may ask over NATS: do they sync every write? */
import { DurabilityRefused } from '../errors.ts'
import type { ServerFact } from './durability.ts'

const TIMEOUT_MS = 3_000

export function askServers(urls: readonly string[]): Promise<ServerFact[]> {
  return Promise.all(urls.map(askServer))
}

async function askServer(url: string): Promise<ServerFact> {
  const address = new URL('/varz', url)
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    return factOf(await response.json())
  } catch (error) {
    throw new DurabilityRefused(`the monitoring port ${address} gave no answer we understand`, { url }, error)
  }
}

/** Exported for its tests. */
export function factOf(varz: unknown): ServerFact {
  const serverName = field(varz, 'server_name')
  const syncAlways = field(field(field(varz, 'jetstream'), 'config'), 'sync_always')
  if (typeof serverName !== 'string') throw new Error('no server_name in /varz')
  return { serverName, syncAlways: syncAlways === true }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined
}
