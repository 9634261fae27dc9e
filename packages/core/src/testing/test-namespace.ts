/**
 * A world of its own for one test: `await using space = testNamespace()`, then `createSystem({ actors, backend: space.backend })`
 * for as many systems as the test needs.
 *
 * 1. No two calls give the same name, in whichever process: tests may share one nats-server and run at once.
 * 2. Disposing it removes what it left on the server. Stop its systems first.
 */
import { cryptoEntropy } from '../entropy.ts'
import { memory } from '../memory/backend.ts'
import type { Backend } from '../ports.ts'

export interface TestNamespace extends AsyncDisposable {
  readonly name: string
  readonly backend: Backend
}

/** @param place where the nats-server is; without it the namespace lives in memory */
export function testNamespace(
  place: { readonly servers?: string | readonly string[]; readonly creds?: string } = {},
): TestNamespace {
  const name = `test-${cryptoEntropy().hex(64)}`
  if (place.servers === undefined) {
    return { name, backend: memory({ namespace: name }), [Symbol.asyncDispose]: async () => {} }
  }
  return {
    name,
    // Loaded here, so that tests in memory need no NATS client.
    backend: {
      kind: 'nats',
      connect: async (options) => {
        const { nats } = await import('../nats/backend.ts')
        return nats({ ...place, namespace: name, initialise: true }).connect(options)
      },
    },
    [Symbol.asyncDispose]: async () => {
      const { placeOf } = await import('../nats/backend.ts')
      const { removeNamespace } = await import('../nats/remove-namespace.ts')
      await removeNamespace(placeOf(place), name)
    },
  }
}
