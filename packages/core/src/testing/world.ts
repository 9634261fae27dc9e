/** What a conformance suite needs of an implementation: connections to one world, and a way to break what they rely on. */
import { realClock } from '../clock.ts'
import { cryptoEntropy } from '../entropy.ts'
import type { Connection, ConnectOptions } from '../ports.ts'

export interface TestWorld {
  readonly connect: (overrides?: Partial<ConnectOptions>) => Promise<Connection>
  /** Takes the connection away from everybody; the result brings it back. Data survives. */
  readonly outage: () => Promise<() => Promise<void>>
  readonly end: () => Promise<void>
}

export const connectOptions = (overrides: Partial<ConnectOptions> = {}): ConnectOptions => ({
  name: 'conformance',
  clock: realClock(),
  entropy: cryptoEntropy(),
  ...overrides,
})

export const bytes = (text: string): Uint8Array => Buffer.from(text)
export const text = (data: Uint8Array): string => Buffer.from(data).toString()
