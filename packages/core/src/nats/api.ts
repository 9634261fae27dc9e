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

export const isStreamNotFound = (error: unknown): boolean => codeOf(error) === STREAM_NOT_FOUND

/** The server's own error code, when it was the server that refused. */
export const codeOf = (error: unknown): unknown => (error instanceof TroupeError ? error.details['code'] : undefined)

/** Worth another try soon: elections, restarts, lost answers. Not: what the server decided. */
export function isTransient(error: unknown): boolean {
  if (error instanceof Disconnected) return true
  return error instanceof LogUnavailable && Number(error.details['status'] ?? 0) >= 500
}

function reason(error: unknown): string {
  // The client says "jetstream is not enabled" when nobody answered: also while a leader is being elected.
  if (error instanceof Error && error.name === 'JetStreamNotEnabled')
    return 'no JetStream server answered (not enabled, or no leader now)'
  return error instanceof Error ? error.message : String(error)
}

/** Status as in HTTP; 503 also for no answer at all. */
function details(error: unknown): { readonly code?: number; readonly status: number } {
  const cause = error instanceof Error && error.cause instanceof JetStreamApiError ? error.cause : error
  return cause instanceof JetStreamApiError ? { code: cause.code, status: cause.apiError().code } : { status: 503 }
}
