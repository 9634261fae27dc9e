/** Mistakes that users of these actors make; not part of any build. `src/api-messages.test.ts` says what the user must read. */
import { effect } from '@troupe/core'
import { z } from 'zod'
import { choice, float, type ObjectiveInput, randomSampler, study, variable } from '../src/index.ts'

const sampler = randomSampler()
const scoring = <S>(_: S) => effect('score', 'read', async (_: ObjectiveInput<S>) => ({ value: 1 }))
const top = float(0, 1)
const schema = z.number().min(0).max(2)
const temperature = variable('writer.temperature', float(0, 2), 0.7)

// @mistake E13 study over a schema that cannot be searched
study('s', { space: { schema, top }, direction: 'maximize', sampler, objective: scoring({ schema, top }) })
// @mistake E13 study over a variable
study('s', { space: { temperature, top }, direction: 'maximize', sampler, objective: scoring({ temperature, top }) })
// @mistake E14 variable with an initial value of the wrong type
variable('writer.style', choice(['Predict', 'ChainOfThought']), 'React')
// @mistake study in a direction that does not exist
study('s', { space: { top }, direction: 'up', sampler, objective: scoring({ top }) })
