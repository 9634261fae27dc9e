/** What takes part in a run, by version: two runs agree bit for bit only when these agree. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { EffectRuntime } from '@troupe/core'
import { z } from 'zod'

const hello = z.object({
  kind: z.literal('hello'),
  python: z.string(),
  packages: z.record(z.string(), z.string()),
  lock: z.string(),
})
const NAMED = ['dspy', 'optuna', 'numpy', 'troupe-worker']
const HELLO_MS = 2_000

export async function versionsOf(runtime: EffectRuntime, pool: string): Promise<{ readonly [name: string]: string }> {
  const require = createRequire(import.meta.url)
  const own: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return {
    troupe: versionIn(own),
    node: process.version,
    xstate: versionIn(require('xstate/package.json')),
    ...(await workerVersions(runtime, pool)),
  }
}

/** As a worker of the pool tells them; nothing when none answers in time. */
function workerVersions(
  { bus, subjects, clock }: EffectRuntime,
  pool: string,
): Promise<{ readonly [name: string]: string }> {
  return new Promise((resolve) => {
    const end = (versions: { readonly [name: string]: string }) => {
      timer.cancel()
      subscription.unsubscribe()
      resolve(versions)
    }
    const timer = clock.after(HELLO_MS, () => end({}), { keepAlive: true })
    const subscription = bus.subscribe(subjects.presence(pool, '*'), ({ data }) => {
      const said = hello.safeParse(JSON.parse(Buffer.from(data).toString('utf8')))
      if (!said.success) return
      const { python, packages, lock } = said.data
      const named = NAMED.flatMap((name) => (packages[name] === undefined ? [] : [[name, packages[name]] as const]))
      end({ python, ...Object.fromEntries(named), pythonLock: lock })
    })
    bus.publish(subjects.pool(pool, 'hello'), new Uint8Array())
  })
}

function versionIn(manifest: unknown): string {
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown'
}
