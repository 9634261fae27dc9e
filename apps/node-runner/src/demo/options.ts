/** What a demo run is asked to do. */
export interface DemoOptions {
  readonly trials: number
  readonly seed: number
  readonly nodes: number
  readonly workers: number
  /** SIGKILL the node that hosts the study when half of the trials are told. */
  readonly kill: boolean
  /** One JSON object on stdout instead of a screen. */
  readonly json: boolean
  /** Remove the data afterwards. */
  readonly ephemeral: boolean
}

export const DEFAULTS = { trials: 32, seed: 7, nodes: 2, workers: 2 } as const

/** Key of the study, the session and the variable space of one run: two runs in one folder would stay apart. */
export function runKey(seed: number): string {
  return `seed-${seed}`
}
