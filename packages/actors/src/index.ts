export {
  type Assignment,
  choice,
  type Domain,
  fits,
  float,
  int,
  type Params,
  type RangeOptions,
  type Space,
  spaceToWire,
  type Value,
  type WireDomain,
  type WireSpace,
} from './domain.ts'
export * from './pool/index.ts'
export type {
  Direction,
  ObjectiveInput,
  Outcome,
  Sampler,
  SamplerAnswer,
  SamplerQuestion,
  SamplerTrial,
  TrialState,
} from './study/ports.ts'
export { randomSampler } from './study/random-sampler.ts'
export {
  type Best,
  type RunOptions,
  type Status,
  type StudyHandle,
  type StudySpec,
  type Summary,
  study,
} from './study/study.ts'
export type { Trial } from './study/trials.ts'
