export type {
  DspyAssignment,
  DspyEvaluation,
  DspyEvaluationInput,
  DspyOptions,
  DspyProgram,
  DspyVariable,
} from './dspy.ts'
export * from './errors.ts'
export type { FunctionOptions } from './function.ts'
export { type OptunaOptions, optuna } from './optuna.ts'
export { type Pool, type PoolOptions, pool } from './pool.ts'
export type { WorkerOptions } from './worker.ts'
