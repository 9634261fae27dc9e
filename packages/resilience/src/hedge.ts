/**
 * Asks again while the first has not answered, and takes whichever answers first. Only for what may be done twice.
 *
 * 1. A further run begins each `afterMs` without an answer, up to `most` at a time; never because one failed: that is for `retry`.
 * 2. The first answer wins, and all others are aborted. The error is that of the last to fail, when all that began have failed.
 * 3. However it ends, no timer and no listener stays.
 */
import type { Clock, Timer } from '@troupe/core'
import { onAbort } from './on-abort.ts'
import { check, FROM_0, WHOLE_FROM_1 } from './ranges.ts'

export interface HedgeOptions {
  readonly clock: Clock
  readonly afterMs: number
  /** @defaultValue 2 */
  readonly most?: number
  readonly signal?: AbortSignal | undefined
}

export interface Hedged<T> {
  readonly value: T
  /** 1 for the first. */
  readonly answeredBy: number
  readonly begun: number
}

/** @throws RangeError at once, for options that mean nothing */
export function hedge<T>(
  work: (signal: AbortSignal, run: number) => Promise<T>,
  { clock, afterMs, most = 2, signal }: HedgeOptions,
): Promise<Hedged<T>> {
  check('a hedge', FROM_0, { afterMs })
  check('a hedge', WHOLE_FROM_1, { most })
  const running = new Set<AbortController>()
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    let timer: Timer | undefined
    let begun = 0
    let ended = false
    const end = (reason: unknown) => {
      ended = true
      timer?.cancel()
      listening()
      for (const controller of running) controller.abort(reason)
    }
    const begin = () => {
      const controller = new AbortController()
      const run = ++begun
      running.add(controller)
      timer = begun < most ? clock.after(afterMs, begin, { keepAlive: true }) : undefined
      const answering = async () => work(controller.signal, run)
      answering().then(
        (value) => {
          running.delete(controller)
          if (ended) return
          end(new DOMException('another run has answered', 'AbortError'))
          resolve({ value, answeredBy: run, begun })
        },
        (error) => {
          running.delete(controller)
          if (ended || running.size > 0) return
          end(error)
          reject(error)
        },
      )
    }
    const listening = onAbort(signal, () => {
      end(signal?.reason)
      reject(signal?.reason)
    })
    begin()
  })
}
