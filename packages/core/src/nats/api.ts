/**
 * Requests to the JetStream API and what their failures mean.
 *
 * 1. A request is not made without a connection and does not outlive it: no waiting for an answer that cannot come.
 * 2. Only our errors leave: `Disconnected` before anything was sent, `LogUnavailable` after.
 */
import { JetStreamApiError, type JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { Disconnected, LogUnavailable, TroupeError } from '../errors.ts'
import type { Clock, Entropy } from '../ports.ts'
import type { Connectivity } from './connectivity.ts'

/** What every reader of a connection needs. */
export interface Api {
  readonly nc: NatsConnection
  readonly jsm: JetStreamManager
  readonly connectivity: Connectivity
  readonly clock: Clock
  readonly entropy: Entropy
}

/** `what` completes "could not …". */
export async function request<T>(
  { connectivity }: Pick<Api, 'connectivity'>,
  what: string,
  run: () => Promise<T>,
): Promise<T> {
  connectivity.check()
  return new Promise<T>((resolve, reject) => {
    const lost = connectivity.onChange(() => fail(new Error('the connection was lost')))
    const fail = (error: unknown): void => {
      lost.unsubscribe()
      reject(
        error instanceof TroupeError
          ? error
          : new LogUnavailable(`could not ${what}: ${reason(error)}`, details(error), error),
      )
    }
    run().then((answer) => {
      lost.unsubscribe()
      resolve(answer)
    }, fail)
  })
}

const STREAM_NOT_FOUND = 10059

export const isStreamNotFound = (error: unknown): boolean =>
  error instanceof TroupeError && error.details['code'] === STREAM_NOT_FOUND

/** Worth another try soon: elections, restarts, lost answers. Not: what the server decided. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof LogUnavailable)) return error instanceof Disconnected
  const { code, status } = error.details
  return typeof code !== 'number' || (typeof status === 'number' && status >= 500)
}

function reason(error: unknown): string {
  // The client says "jetstream is not enabled" when nobody answered: also while a leader is being elected.
  if (error instanceof Error && error.name === 'JetStreamNotEnabled')
    return 'no JetStream server answered (not enabled, or no leader now)'
  return error instanceof Error ? error.message : String(error)
}

function details(error: unknown): { readonly code?: number; readonly status?: number } {
  return error instanceof JetStreamApiError ? { code: error.code, status: error.apiError().code } : {}
}
