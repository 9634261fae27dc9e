/**
 * A NATS micro service over the bus port: any stock client can ping it, read what it is and how it fares
 * (`nats micro ls|info|stats`, `$SRV.PING|INFO|STATS`).
 *
 * Our own 100 lines because the published service package is a pre-release that brings a second copy of the NATS core;
 * its client is what the tests check this against.
 *
 * 1. `$SRV.<verb>`, `$SRV.<verb>.<name>` and `$SRV.<verb>.<name>.<id>` are answered by every instance.
 * 2. Answers go to `_INBOX.` subjects only.
 */
import type { Bus, BusMessage, Clock, Subscription } from './ports.ts'

export interface ServiceEndpoint {
  readonly name: string
  readonly subject: string
  /** One member of the group answers; absent: every instance does. */
  readonly queue?: string
  /** Gives the answer. What it throws is counted and answered as an error. */
  readonly handle: (message: BusMessage) => Promise<Uint8Array> | Uint8Array
}

export interface ServiceInfo {
  /** Letters, digits, `-` and `_`. */
  readonly name: string
  readonly id: string
  /** Semantic version. */
  readonly version: string
  readonly description: string
  readonly metadata: Readonly<Record<string, string>>
  readonly endpoints: readonly ServiceEndpoint[]
}

interface Counted {
  requests: number
  errors: number
  lastError: string
  busyNs: number
}

const REPLY_ROOT = '_INBOX.'

export function serveMicro(bus: Bus, clock: Clock, info: ServiceInfo): Subscription {
  const { name, id, version, description, metadata, endpoints } = info
  const started = new Date(clock.now()).toISOString()
  const counts = new Map<ServiceEndpoint, Counted>()
  const identity = { name, id, version, metadata }
  const answers = {
    PING: () => ({ type: 'io.nats.micro.v1.ping_response', ...identity }),
    INFO: () => ({
      type: 'io.nats.micro.v1.info_response',
      ...identity,
      description,
      endpoints: endpoints.map(({ name, subject, queue }) => ({ name, subject, queue_group: queue ?? '' })),
    }),
    STATS: () => ({
      type: 'io.nats.micro.v1.stats_response',
      ...identity,
      started,
      endpoints: endpoints.map((endpoint) => statsOf(endpoint, counts.get(endpoint))),
    }),
  }
  const subscriptions: Subscription[] = []
  for (const [verb, answer] of Object.entries(answers)) {
    for (const subject of [`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.${id}`]) {
      const say = ({ reply }: BusMessage) => respond(bus, reply, Buffer.from(JSON.stringify(answer())))
      subscriptions.push(bus.subscribe(subject, say))
    }
  }
  for (const endpoint of endpoints) {
    const count: Counted = { requests: 0, errors: 0, lastError: '', busyNs: 0 }
    counts.set(endpoint, count)
    const options = endpoint.queue === undefined ? {} : { queue: endpoint.queue }
    subscriptions.push(
      bus.subscribe(endpoint.subject, (message) => void handle(bus, clock, endpoint, count, message), options),
    )
  }
  return {
    unsubscribe: () => {
      for (const subscription of subscriptions) subscription.unsubscribe()
    },
  }
}

async function handle(
  bus: Bus,
  clock: Clock,
  endpoint: ServiceEndpoint,
  count: Counted,
  message: BusMessage,
): Promise<void> {
  const begun = clock.monotonic()
  count.requests += 1
  try {
    respond(bus, message.reply, await endpoint.handle(message))
  } catch (error) {
    count.errors += 1
    count.lastError = error instanceof Error ? error.message : String(error)
    const headers = { 'Nats-Service-Error': count.lastError, 'Nats-Service-Error-Code': '500' }
    respond(bus, message.reply, new Uint8Array(), headers)
  } finally {
    count.busyNs += Math.round((clock.monotonic() - begun) * 1_000_000)
  }
}

function respond(
  bus: Bus,
  reply: string | undefined,
  data: Uint8Array,
  headers?: Readonly<Record<string, string>>,
): void {
  if (reply?.startsWith(REPLY_ROOT) && bus.connected) bus.publish(reply, data, headers === undefined ? {} : { headers })
}

function statsOf({ name, subject, queue }: ServiceEndpoint, count: Counted | undefined) {
  const { requests = 0, errors = 0, lastError = '', busyNs = 0 } = count ?? {}
  return {
    name,
    subject,
    queue_group: queue ?? '',
    num_requests: requests,
    num_errors: errors,
    last_error: lastError,
    processing_time: busyNs,
    average_processing_time: requests === 0 ? 0 : Math.round(busyNs / requests),
  }
}
