/**
 * Paired measurement: ours and a baseline take turns in one process run, so that whatever else the machine does hits both.
 *
 * A row reports medians of at least five rounds and their ratio; nothing is left out of a round once it has begun.
 */

export interface Row {
  /** As in the table of targets: P1, P2 … */
  readonly row: string
  readonly what: string
  readonly baseline: string
  readonly unit: string
  /** `rate`: more is better, `time` and `bytes`: less is better. */
  readonly kind: 'rate' | 'time' | 'bytes'
  /** The bound of ours / baseline: at least for a rate, at most for a time. */
  readonly target: number
  readonly notMeasured: string
  measure(rounds: number): Promise<Pairs>
}

export interface Pairs {
  readonly ours: readonly number[]
  readonly baseline: readonly number[]
}

export interface Result {
  readonly row: string
  readonly what: string
  readonly ours: number
  readonly baseline: number
  readonly unit: string
  readonly ratio: number
  readonly target: number
  readonly met: boolean
  readonly rounds: number
  readonly notMeasured: string
}

/** Alternates the two, after one round of each that is thrown away (compilation, connection, caches). */
export async function interleave(
  rounds: number,
  ours: () => Promise<number>,
  baseline: () => Promise<number>,
): Promise<Pairs> {
  await ours()
  await baseline()
  const pairs = { ours: [] as number[], baseline: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    // Who goes first changes, so that neither always follows the other's garbage.
    const [first, second] = round % 2 === 0 ? (['ours', 'baseline'] as const) : (['baseline', 'ours'] as const)
    for (const which of [first, second]) {
      globalThis.gc?.()
      pairs[which].push(await (which === 'ours' ? ours() : baseline()))
    }
  }
  return pairs
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? Number.NaN) + high) / 2
}

export function resultOf(row: Row, pairs: Pairs): Result {
  const [ours, baseline] = [median(pairs.ours), median(pairs.baseline)]
  const ratio = ours / baseline
  const met = row.kind === 'rate' ? ratio >= row.target : ratio <= row.target
  const { what, unit, target, notMeasured } = row
  return { row: row.row, what, ours, baseline, unit, ratio, target, met, rounds: pairs.ours.length, notMeasured }
}

/** Operations per second of `count` calls, `inFlight` at a time. */
export async function rate(count: number, inFlight: number, call: (n: number) => Promise<unknown>): Promise<number> {
  let next = 0
  const lane = async () => {
    for (let n = next++; n < count; n = next++) await call(n)
  }
  const begun = performance.now()
  await Promise.all(Array.from({ length: inFlight }, lane))
  return (count / (performance.now() - begun)) * 1_000
}

/** Median microseconds of one call, one at a time. */
export async function latency(count: number, call: (n: number) => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let n = 0; n < count; n++) {
    const begun = performance.now()
    await call(n)
    times.push((performance.now() - begun) * 1_000)
  }
  return median(times)
}
