/**
 * Random search without Python.
 *
 * 1. Pure: the parameters are a function of (seed, op) and the space; earlier trials do not matter.
 * 2. Names are drawn in sorted order, so the order in which a space is written has no meaning.
 */
import { assertNever, type Entropy, effect, seededEntropy } from '@troupe/core'
import type { Value, WireDomain } from '../domain.ts'
import type { Sampler, SamplerAnswer, SamplerQuestion } from './ports.ts'

/** @param options.seed instead of the study's own */
export function randomSampler(options: { readonly seed?: number } = {}): Sampler {
  return {
    name: 'random',
    ask: effect('sampler.random', 'read', async (question: SamplerQuestion): Promise<SamplerAnswer> => {
      const { seed, op, space } = question
      const chance = seededEntropy(`${options.seed ?? seed}:${op}`)
      const drawn = Object.keys(space)
        .sort()
        .flatMap((name) => {
          const domain = space[name]
          return domain === undefined ? [] : [[name, draw(domain, chance)] as const]
        })
      return { params: Object.fromEntries(drawn) }
    }),
  }
}

function draw(domain: WireDomain, chance: Entropy): Value {
  const at = chance.random()
  switch (domain.kind) {
    case 'float': {
      const { low, high, log = false, step } = domain
      if (step !== undefined) return onGrid(low, high, step, at)
      // Clamped: exp(log(x)) may miss x by a rounding error.
      return log ? Math.min(high, Math.max(low, low * (high / low) ** at)) : low + (high - low) * at
    }
    case 'int': {
      const { low, high, log = false, step = 1 } = domain
      if (!log) return onGrid(low, high, step, at)
      return Math.min(high, Math.floor(low * ((high + 1) / low) ** at))
    }
    case 'choice': {
      const picked = domain.choices[Math.floor(at * domain.choices.length)]
      if (picked === undefined) throw new RangeError('a choice without choices')
      return picked
    }
    default:
      return assertNever(domain)
  }
}

function onGrid(low: number, high: number, step: number, at: number): number {
  // The slack is for steps like 0.1, of which thirty are a little less than 3.
  const points = Math.floor((high - low) / step + 1e-8) + 1
  return Math.min(high, low + Math.floor(at * points) * step)
}
