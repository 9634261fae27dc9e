/** What took part in a run, by version: two runs agree bit for bit only when these agree. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

export function versionsOf(): { readonly [name: string]: string } {
  const require = createRequire(import.meta.url)
  const own: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  return { troupe: versionIn(own), node: process.version, xstate: versionIn(require('xstate/package.json')) }
}

function versionIn(manifest: unknown): string {
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown'
}
