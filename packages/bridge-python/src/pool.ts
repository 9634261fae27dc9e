/** A pool of Python workers: an actor that keeps them alive, and effects that call their functions. */
import { type PoolProtocol, poolMachine, poolProtocol } from '@troupe/actors'
import { type ActorDef, type AnySchema, defineActor, type Effect, type In, type Out } from '@troupe/core'
import { type DspyOptions, type DspyProgram, dspyProgram } from './dspy.ts'
import { type FunctionOptions, pythonFunction } from './function.ts'
import { type PredictOptions, predictor, type SignatureLike } from './predict.ts'
import { pythonWorker, type WorkerOptions } from './worker.ts'

export interface PoolOptions extends WorkerOptions {
  /** Workers of a pool that never ran; later `scale` and `start` say how many. @defaultValue 2 */
  readonly size?: number
  /** Starts in a row that may fail before the pool gives a worker up. @defaultValue 5 */
  readonly maxFailedStarts?: number
}

/** Give it to `createSystem({ actors })` of the nodes that may hold the workers; any node may call the functions. */
export interface Pool extends ActorDef<PoolProtocol, ReturnType<typeof poolMachine>> {
  readonly name: string
  /** A registered Python function as an effect; the first call starts the pool. */
  fn<I extends AnySchema, O extends AnySchema>(name: string, options: FunctionOptions<I, O>): Effect<In<I>, Out<O>>
  /** A DSPy program that the app registered with `troupe_worker.dspy.program`. */
  dspy<I extends AnySchema, O extends AnySchema>(name: string, options: DspyOptions<I, O>): DspyProgram<In<I>, Out<O>>
  /** A signature answered by a module of DSPy, in an app that registered `troupe_worker.dspy.predictor`. */
  predict<I extends AnySchema, O extends AnySchema>(
    signature: SignatureLike<I, O>,
    options?: PredictOptions,
  ): Effect<In<I>, Out<O>>
}

/** @param name lower-case, as an actor's type: the pool is the actor `pool-<name>/main` */
export function pool(name: string, options: PoolOptions): Pool {
  const { size = 2, maxFailedStarts = 5 } = options
  const logic = poolMachine(pythonWorker(options), { name, size, maxFailedStarts })
  return {
    ...defineActor(poolProtocol(name), { logic }),
    name,
    fn: (fn, given) => pythonFunction(name, fn, given),
    dspy: (program, given) => dspyProgram(name, program, given),
    predict: (signature, given) => predictor(name, signature, given),
  }
}
