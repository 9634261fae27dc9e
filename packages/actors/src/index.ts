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
export type { AnyEffect } from './session/job-machine.ts'
export { type SessionSpec, session } from './session/session.ts'
export {
  type Execution,
  type JobOutcome,
  type SessionMetrics,
  type SessionStatus,
  sessionProtocol,
} from './session/session-protocol.ts'
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
export { studyProtocol } from './study/protocol.ts'
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
export type { Changed, Refusal } from './variable/revisions.ts'
export {
  type Revision,
  RevisionConflict,
  type SchemaOf,
  type SetOptions,
  type Variable,
  type VariableHandle,
  variable,
} from './variable/variable.ts'
export { variables, variablesSays } from './variable/variables.ts'
