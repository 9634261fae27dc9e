/**
 * What a call of a Python function can end with, besides core's `Timeout`, `EffectOutcomeUnknown` and `UnsupportedVersion`:
 *
 *   TroupeError
 *   ├ not started (applied 'no')
 *   │   UnknownFunction · InvalidArguments · SignatureDrift · NoFreeWorker · PoolUnavailable
 *   └ may have had effects (applied 'unknown')
 *       PythonError · Cancelled · LlmUnavailable · ResultNotSerializable · ResultRefused · WorkerKiller
 *
 * 1. Recognise them by `code`: after a trip through the log they are `RemoteError`s with the same fields.
 */
import { fromWire, TroupeError, type WireError } from '@troupe/core'

/** The function raised. `details`: `class`, `bases`, `traceback`, `causes: { class, message }[]`, `fields?`. */
export class PythonError extends TroupeError {
  readonly code = 'PythonError'
  override readonly retryable: boolean
  override readonly applied = 'unknown'
  constructor(message: string, details: WireError['details'] = {}, retryable = false) {
    super(message, details)
    this.retryable = retryable
  }
}
export class UnknownFunction extends TroupeError {
  readonly code = 'UnknownFunction'
}
/** The arguments do not fit the function's type hints; `details.issues`: `{ path, message }[]`. */
export class InvalidArguments extends TroupeError {
  readonly code = 'InvalidArguments'
}
/** The program has another signature in the worker than here; run `troupe signatures build` and deploy both sides. */
export class SignatureDrift extends TroupeError {
  readonly code = 'SignatureDrift'
}
/** The deadline passed, or too many calls were waiting, while no worker had a free slot. */
export class NoFreeWorker extends TroupeError {
  readonly code = 'NoFreeWorker'
  override readonly retryable = true
}
/** The pool has failed or was stopped. `details`: `state`, `reason?`, `output?` (the last lines of a worker). */
export class PoolUnavailable extends TroupeError {
  readonly code = 'PoolUnavailable'
}
/** The caller no longer waits. */
export class Cancelled extends TroupeError {
  readonly code = 'Cancelled'
  override readonly applied = 'unknown'
}
/** No model service answered the function's model calls. */
export class LlmUnavailable extends TroupeError {
  readonly code = 'LlmUnavailable'
  override readonly retryable = true
  override readonly applied = 'unknown'
}
/** The function returned something that is no plain data, or too large for a message. */
export class ResultNotSerializable extends TroupeError {
  readonly code = 'ResultNotSerializable'
  override readonly applied = 'unknown'
}
/** The result does not fit the declared `output`; `details.issues` holds the schema's own messages. */
export class ResultRefused extends TroupeError {
  readonly code = 'ResultRefused'
  override readonly applied = 'unknown'
}
/** Two workers died while they ran this call: it is not tried on a third. */
export class WorkerKiller extends TroupeError {
  readonly code = 'WorkerKiller'
  override readonly applied = 'unknown'
}

const classes = {
  UnknownFunction,
  InvalidArguments,
  SignatureDrift,
  Cancelled,
  LlmUnavailable,
  ResultNotSerializable,
} as const
const isOurs = (code: string): code is keyof typeof classes => Object.hasOwn(classes, code)

export function errorOf(wire: WireError): TroupeError {
  const { code, message, details, retryable } = wire
  if (code === 'PythonError') return new PythonError(message, details, retryable)
  return isOurs(code) ? new classes[code](message, details) : fromWire(wire)
}
