export type {
  DspyAssignment,
  DspyEvaluation,
  DspyEvaluationInput,
  DspyOptions,
  DspyProgram,
  DspyVariable,
} from './dspy.ts'
export {
  Cancelled,
  InvalidArguments,
  LlmUnavailable,
  NoFreeWorker,
  PoolUnavailable,
  PythonError,
  ResultNotSerializable,
  ResultRefused,
  SignatureDrift,
  UnknownFunction,
  WorkerKiller,
} from './errors.ts'
export type { FunctionOptions } from './function.ts'
export { type OptunaOptions, optuna } from './optuna.ts'
export { type Pool, type PoolOptions, pool } from './pool.ts'
export type { PredictOptions } from './predict.ts'
export type { WorkerOptions } from './worker.ts'
