/**
 * The entropy tape: what a step draws from the world (`Math.random`, `crypto.randomUUID`, the time) is recorded while the
 * step runs and played back when it is folded again.
 *
 * Owns the only module-level state of the package: the tape of the step that runs right now. Steps are synchronous, so
 * there is never more than one. Outside a step the replaced globals behave as before.
 *
 * 1. During a step the time stands still at `now`.
 * 2. A fold draws exactly what the step drew, in the same order; one draw more or less is a `TapeMismatch`.
 *
 * Not covered: `performance.now`, `crypto.getRandomValues`, `Date()` without `new`. The state hash finds what slips by.
 */

export type Draw = number | string

export interface Recording {
  readonly now: number
  readonly draws: readonly Draw[]
}

/** A fold asked for another number of random values than the step had drawn: the code is not what it was. */
export class TapeMismatch extends Error {
  override readonly name = 'TapeMismatch'
}

type Tape =
  | { readonly kind: 'record'; readonly now: number; readonly random: () => number; readonly draws: Draw[] }
  | {
      readonly kind: 'play'
      readonly now: number
      readonly draws: readonly Draw[]
      at: number
      mismatch?: TapeMismatch
    }

let tape: Tape | undefined
let installed = false

/** @param is tells whether a recorded value is one of this source */
function draw<T extends Draw>(fresh: () => T, is: (value: Draw) => value is T): T {
  if (tape === undefined) return fresh()
  if (tape.kind === 'record') {
    const value = fresh()
    tape.draws.push(value)
    return value
  }
  const value = tape.draws[tape.at++]
  if (value !== undefined && is(value)) return value
  const what = value === undefined ? 'this fold wants more' : `this fold wants another kind than value ${tape.at}`
  // Kept: XState turns what an action throws into a state of the machine.
  tape.mismatch ??= new TapeMismatch(`the step drew ${tape.draws.length} random values; ${what}`)
  throw tape.mismatch
}

/** Replaces the three global sources once per process; a no-op afterwards. */
export function installTape(): void {
  if (installed) return
  installed = true
  const RealDate = globalThis.Date
  const realRandom = Math.random
  const realUuid = globalThis.crypto.randomUUID.bind(globalThis.crypto)
  Math.random = () => draw(() => (tape?.kind === 'record' ? tape.random() : realRandom()), isNumber)
  globalThis.crypto.randomUUID = () => draw(realUuid, isUuid)
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 && tape !== undefined ? [tape.now] : args, newTarget),
    get: (target, name, receiver) =>
      name === 'now' && tape !== undefined ? () => tape?.now ?? RealDate.now() : Reflect.get(target, name, receiver),
  })
}

/** Runs one step and returns what it drew. `random` feeds `Math.random` (a seeded one in simulation). */
export function record(now: number, random: () => number, step: () => void): Recording {
  const mine: Tape = { kind: 'record', now, random, draws: [] }
  const outer = tape
  tape = mine
  try {
    step()
  } finally {
    tape = outer
  }
  return mine
}

/** Runs a step again on its recording. */
export function play(recording: Recording, step: () => void): void {
  const mine: Extract<Tape, { kind: 'play' }> = { kind: 'play', now: recording.now, draws: recording.draws, at: 0 }
  const outer = tape
  tape = mine
  try {
    step()
  } finally {
    tape = outer
  }
  if (mine.mismatch !== undefined) throw mine.mismatch
  if (mine.at !== mine.draws.length) {
    throw new TapeMismatch(`the step drew ${mine.draws.length} random values; this fold wanted ${mine.at}`)
  }
}

function isNumber(value: Draw): value is number {
  return typeof value === 'number'
}

function isUuid(value: Draw): value is `${string}-${string}-${string}-${string}-${string}` {
  return typeof value === 'string'
}
