/** Waits for something that happens elsewhere, in tests. Fails with what was seen instead of a bare timeout. */
import { realClock } from '../clock.ts'

const FIRST_POLL_MS = 2
const LONGEST_POLL_MS = 50

/** Polls until `condition` returns something truthy, and returns that. What it throws counts as "not yet". */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  options: { readonly withinMs: number; readonly show?: () => unknown },
): Promise<T> {
  const clock = realClock()
  const deadlineMs = clock.monotonic() + options.withinMs
  let last: unknown
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(pollMs * 2, LONGEST_POLL_MS)) {
    try {
      const value = await condition()
      if (value) return value
      last = value
    } catch (error) {
      last = error
    }
    if (clock.monotonic() >= deadlineMs) break
    await new Promise<void>((resolve) => setTimeout(resolve, pollMs))
  }
  const shown = options.show ? JSON.stringify(await options.show()) : String(last)
  throw new Error(`not within ${options.withinMs} ms: ${condition}\nlast seen: ${shown}`, { cause: last })
}
