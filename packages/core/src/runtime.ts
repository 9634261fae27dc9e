/** What effects may use of the system that runs them. Bridges (Python pools, model calls) are written against this alone. */
import type { Address, Subjects } from './address.ts'
import type { Overrides } from './overrides.ts'
import type { Bus, Clock, Entropy } from './ports.ts'
import type { AnyProtocol } from './protocol.ts'
import type { Order } from './supervision.ts'
import type { LifeFact, WatchOptions } from './watch.ts'

export interface AskOptions {
  /** Whole time the caller waits. @defaultValue 5_000 */
  readonly timeoutMs?: number
  /** Two asks under one key are one command, whoever sends them, for 24 h; they must carry the same payload. */
  readonly idempotencyKey?: string
  readonly signal?: AbortSignal
}

/** Where a message comes from, for the causal log. */
export interface Cause {
  readonly correlation: string
  readonly causation: string
  /** Address of the sending actor; absent for clients. */
  readonly sender?: string
  readonly hops?: number
}

/** One per node and name, made on first use, closed when the system stops: a connection pool, a view on a Python pool. */
export interface Shared {
  close(): void
}

/** The lives of other actors, for what supervises them. */
export interface Lives {
  watch(address: Address, options: WatchOptions): AsyncIterable<LifeFact>
  /** Resolves when the order is committed. The same key is the same order, however often it is given. */
  order(address: Address, order: Order, options: OrderCall): Promise<void>
}

export interface OrderCall {
  readonly key: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly cause: Cause
}

export interface EffectRuntime {
  readonly namespace: string
  readonly node: string
  /** NATS URLs that processes started by effects connect to; empty in memory. They may hold a password: hand them on, never show them. */
  readonly servers: readonly string[]
  /** Path of the credentials file that this system itself connects with. */
  readonly creds?: string
  readonly subjects: Subjects
  readonly bus: Bus
  readonly clock: Clock
  readonly entropy: Entropy
  /** What runs in the place of effects of this system; a stand-in for a runtime needs none. */
  readonly effects?: Overrides
  /** Absent in stand-ins. */
  readonly lives?: Lives
  /** The node's one instance of `Class` under this name. */
  shared<T extends Shared>(Class: new (runtime: EffectRuntime, name: string) => T, name: string): T
  /** @returns the reply as declared by the protocol; typed by the caller, who holds the protocol. */
  ask(
    protocol: AnyProtocol,
    key: string,
    event: { readonly type: string },
    options: AskOptions & { readonly cause?: Cause },
  ): Promise<unknown>
}
