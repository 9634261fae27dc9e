/**
 * The environment: the only file of this package that reads `process.env`.
 *
 *   TROUPE_PYTHON   the interpreter of workers
 *   NATS_CREDS      credentials file, handed on to workers
 *
 * 1. An explicit option always wins.
 * 2. Workers inherit no `*_API_KEY`: their model calls go over the bus, and a key is no business of Python code. What a function needs
 *    for other services is given by `env`.
 */

export interface PythonEnvironment {
  readonly python?: string
  readonly creds?: string
  /** What a worker inherits. */
  readonly inherited: NodeJS.ProcessEnv
}

export function pythonEnvironment(env: NodeJS.ProcessEnv = process.env): PythonEnvironment {
  const python = env['TROUPE_PYTHON']
  const creds = env['NATS_CREDS']
  return { ...(python && { python }), ...(creds && { creds }), inherited: withoutKeys(env) }
}

function withoutKeys(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/_API_KEY$/i.test(name)))
}
