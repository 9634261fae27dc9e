/** What the pool's actor says to callers that see no worker. */
import { POOL_KEY, type PoolProtocol } from '@troupe/actors'
import { type Clock, type EffectRuntime, TroupeError } from '@troupe/core'
import { PoolUnavailable } from './errors.ts'
import { parseAs } from './parse-as.ts'

const ENSURE_MS = 30_000

/**
 * Has the pool started if it never ran.
 * @returns why no worker will come; `'coming'` when one is ready; `'unknown'` when nobody could say: no node hosts the pool
 * now, or there is no connection. Workers started by hand may come all the same.
 */
export async function ensurePool(
  runtime: EffectRuntime,
  says: PoolProtocol,
): Promise<PoolUnavailable | 'coming' | 'unknown'> {
  let answer: unknown
  try {
    answer = await runtime.ask(says, POOL_KEY, { type: 'ensure' }, { timeoutMs: ENSURE_MS })
  } catch (error) {
    if (!(error instanceof TroupeError)) throw error
    return error.retryable
      ? 'unknown'
      : new PoolUnavailable(`'${says.type}' cannot be asked: ${error.message}`, {}, error)
  }
  const { state, reason, output = [] } = parseAs(says.replies.ensure, answer, `the answer of '${says.type}'`)
  switch (state) {
    case 'ready':
    case 'degraded':
      return 'coming'
    case 'stopped':
      return new PoolUnavailable(`'${says.type}' was stopped; start it again`, { state })
    case 'failed': {
      const lines = output.map((line) => `\n  ${line}`).join('')
      return new PoolUnavailable(`'${says.type}' has no worker that starts: ${reason}${lines}`, {
        state,
        reason,
        output,
      })
    }
  }
}

export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.after(ms, resolve))
}
