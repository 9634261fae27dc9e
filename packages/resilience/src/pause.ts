/** A wait that its signal ends early; it leaves no timer and no listener. */
import type { Clock } from '@troupe/core'
import { onAbort } from './on-abort.ts'

/** @throws the reason of the signal */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const listening = onAbort(signal, () => {
      listening()
      timer.cancel()
      reject(signal?.reason)
    })
    const done = () => {
      listening()
      resolve()
    }
    const timer = clock.after(ms, done, { keepAlive: true })
  })
}
