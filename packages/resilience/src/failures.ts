/** How often calls failed of late: counts by tenths of a window. Plain data. */

export interface Failures {
  readonly sliceMs: number
  readonly slices: { number: number; calls: number; failed: number }[]
}

/** What of a window is too much. */
export interface FailureRule {
  readonly leastCalls: number
  readonly ratio: number
}

const SLICES = 10

export function openFailures(windowMs: number): Failures {
  const slices = Array.from({ length: SLICES }, () => ({ number: -1, calls: 0, failed: 0 }))
  return { sliceMs: windowMs / SLICES, slices }
}

export function count({ sliceMs, slices }: Failures, nowMs: number, failed: boolean, calls = 1): void {
  const number = Math.floor(nowMs / sliceMs)
  const slice = slices[number % SLICES]
  if (slice === undefined) return
  if (slice.number !== number) {
    slice.number = number
    slice.calls = slice.failed = 0
  }
  slice.calls += calls
  if (failed) slice.failed += calls
}

/** Of the last window, to a tenth of it. */
export function recent(
  { sliceMs, slices }: Failures,
  nowMs: number,
): { readonly calls: number; readonly failed: number } {
  const oldest = Math.floor(nowMs / sliceMs) - SLICES
  let [calls, failed] = [0, 0]
  for (const slice of slices) {
    if (slice.number <= oldest) continue
    calls += slice.calls
    failed += slice.failed
  }
  return { calls, failed }
}

export function areMany(
  { calls, failed }: { readonly calls: number; readonly failed: number },
  { leastCalls, ratio }: FailureRule,
): boolean {
  return calls >= leastCalls && failed >= calls * ratio
}
