/** What must and must not compile. Checked by `tsc -b`; never run. */
import { type Effect, effect, type System } from '@troupe/core'
import { choice, float, int, type Params } from '../domain.ts'
import { variable } from '../variable/variable.ts'
import type { ObjectiveInput, SamplerAnswer, SamplerQuestion } from './ports.ts'
import { randomSampler } from './random-sampler.ts'
import { study } from './study.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <T extends true>(_: T): void => {}

const space = {
  temperature: float(0, 2),
  demos: int(0, 8),
  style: choice(['Predict', 'ChainOfThought']),
  on: choice([true, 1.5]),
}
type Expected = {
  readonly temperature: number
  readonly demos: number
  readonly style: 'Predict' | 'ChainOfThought'
  readonly on: true | 1.5
}
holds<Equal<Params<typeof space>, Expected>>(true)

const spec = { space, direction: 'maximize', sampler: randomSampler() } as const

// An objective written apart, and one in place with more in its outcome.
const apart = effect('apart', 'read', async ({ trial }: ObjectiveInput<typeof space>) => ({
  value: trial.params.demos,
}))
study('a', { ...spec, objective: apart })
study('a', {
  ...spec,
  objective: effect('in-place', 'read', async ({ trial }: ObjectiveInput<typeof space>) => {
    holds<Equal<typeof trial.params, Expected>>(true)
    return { value: trial.params.temperature, detail: { rows: 3 } }
  }),
})

export async function handles(system: System, sampler: Effect<SamplerQuestion, SamplerAnswer>) {
  const tune = study('tune', { ...spec, sampler: { name: 'tpe', ask: sampler }, objective: apart })
  const { best } = await tune.in(system).run({ trials: 3 })
  if (best !== undefined) holds<Equal<typeof best.params, Expected>>(true)
  const type: 'study-tune' = tune.says.type
  return type
}

// @ts-expect-error the objective reads a parameter that the space does not have
study('a', {
  ...spec,
  objective: effect('x', 'read', async (i: ObjectiveInput<{ y: typeof space.demos }>) => ({ value: i.trial.params.y })),
})
// @ts-expect-error an outcome needs a value
study('a', { ...spec, objective: effect('x', 'read', async (_: ObjectiveInput<typeof space>) => ({ score: 1 })) })
// @ts-expect-error no such direction
study('a', { ...spec, direction: 'up', objective: apart })

variable('s.style', choice(['a', 'b']), 'a')
// @ts-expect-error not one of the choices
variable('s.style', choice(['a', 'b']), 'c')
