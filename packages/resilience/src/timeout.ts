/**
 * A hard end to work.
 *
 * 1. At the end the signal of the work aborts and the caller is answered with `Timeout`, also when the work ignores its signal;
 *    what it still does then is its own, and nobody hears of it.
 * 2. The abort of the caller's signal ends it in the same way, with that signal's reason.
 * 3. However it ends, no timer and no listener stays.
 */
import { type Clock, Timeout } from '@troupe/core'
import { onAbort } from './on-abort.ts'
import { check, FROM_0 } from './ranges.ts'

export interface TimeoutOptions {
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** @throws RangeError at once, for options that mean nothing */
export function timeout<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { clock, timeoutMs, signal }: TimeoutOptions,
): Promise<T> {
  check('a timeout', FROM_0, { timeoutMs })
  const controller = new AbortController()
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const stop = (reason: unknown) => {
      end()
      reject(reason)
      controller.abort(reason)
    }
    const listening = onAbort(signal, () => stop(signal?.reason))
    const late = () => stop(new Timeout(`no answer within ${timeoutMs} ms`, { timeoutMs }))
    const timer = clock.after(timeoutMs, late, { keepAlive: true })
    const end = () => {
      listening()
      timer.cancel()
    }
    const running = async () => work(controller.signal)
    running().then(
      (value) => {
        end()
        resolve(value)
      },
      (error) => {
        end()
        reject(error)
      },
    )
  })
}
