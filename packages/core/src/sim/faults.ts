/** What may go wrong in a simulation, as probabilities and spans. All zero: a calm world in which messages only take time. */
import { FENCE_FRACTION } from '../lease.ts'

export interface Faults {
  /** Shortest and longest way of one message, milliseconds. */
  readonly latencyMs: readonly [number, number]
  /** A bus message gets lost. */
  readonly loss: number
  /** A question arrives a second time, later, as one does that waited in the buffer of a frozen process. */
  readonly duplicate: number
  /** A request to journal or store never arrives. */
  readonly dropped: number
  /** A request is done and nobody learns of it. */
  readonly torn: number
  /** A request takes so long that its sender has given up before it arrives. */
  readonly slow: number
  /** `heads` or `read` shows how things were a while ago. */
  readonly stale: number
  /** A node dies right before something it wanted to do. */
  readonly crash: number
  /** Of each process, against those of the server. */
  readonly clocks: {
    /** How much faster or slower time passes at most: 0.1 is 10 %. */
    readonly drift: number
    /** How far ahead or behind wall clocks are at most. */
    readonly skewMs: number
  }
  /** How many of these befall the world during the safety phase. */
  readonly events: {
    readonly kills: number
    /** Some of the nodes leave together and come back together. */
    readonly waves: number
    /** A node starts again as the newer release, or as the older one if it was the newer. */
    readonly upgrades: number
    readonly pauses: number
    readonly cuts: number
    /** Two parties that do not hear each other, or one that does not hear the other, and nobody tells them. */
    readonly partitions: number
    /** A wall clock is set anew. */
    readonly jumps: number
    /** Journal and store answer nobody, as between two leaders. */
    readonly outages: number
  }
}

export const NO_EVENTS: Faults['events'] = {
  kills: 0,
  waves: 0,
  upgrades: 0,
  pauses: 0,
  cuts: 0,
  partitions: 0,
  jumps: 0,
  outages: 0,
}

export const CALM: Faults = {
  latencyMs: [0.2, 2],
  loss: 0,
  duplicate: 0,
  dropped: 0,
  torn: 0,
  slow: 0,
  stale: 0,
  crash: 0,
  clocks: { drift: 0, skewMs: 0 },
  events: NO_EVENTS,
}

/** Some of it, in the place of what a seed says. */
export type SomeFaults = Partial<Omit<Faults, 'events' | 'clocks'>> & {
  readonly events?: Partial<Faults['events']>
  readonly clocks?: Partial<Faults['clocks']>
}

export function replaced(faults: Faults, by: SomeFaults = {}): Faults {
  const events = { ...faults.events, ...by.events }
  const clocks = { ...faults.clocks, ...by.clocks }
  return { ...faults, ...by, events, clocks }
}

/**
 * A node whose clock is slower by more believes in its lease when others may have its shards: then a look may show less than
 * is known. Nothing else depends on rates.
 */
export const ADMITTED_DRIFT = 1 - FENCE_FRACTION

/** A mix of faults for a seed: each kind is sometimes absent, so that rare bugs are not hidden behind loud ones. */
export function seededFaults(random: () => number): Faults {
  const sometimes = (most: number): number => (random() < 0.6 ? random() * most : 0)
  const some = (most: number): number => Math.floor(sometimes(most + 1))
  return {
    latencyMs: [0.2, random() < 0.3 ? 60 : 5],
    loss: sometimes(0.15),
    duplicate: sometimes(0.1),
    dropped: sometimes(0.05),
    torn: sometimes(0.1),
    slow: sometimes(0.04),
    stale: sometimes(0.8),
    crash: sometimes(0.003),
    events: {
      kills: some(6),
      pauses: some(5),
      cuts: some(6),
      outages: some(2),
      partitions: some(5),
      jumps: some(3),
      waves: some(3),
      upgrades: some(8),
    },
    clocks: { drift: sometimes(random() < 0.1 ? 0.6 : ADMITTED_DRIFT), skewMs: sometimes(8_000) },
  }
}
