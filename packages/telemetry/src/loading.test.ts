import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/** What a process loads of OpenTelemetry when it imports an entry of this package. */
function otelLoadedBy(entry: string): string[] {
  const script = `
    import { registerHooks } from 'node:module'
    const seen = new Set()
    registerHooks({ resolve: (specifier, context, next) => {
      const found = next(specifier, context)
      if (found.url.includes('@opentelemetry')) seen.add(found.url.replace(/.*(@opentelemetry\\/[^/]+).*/, '$1'))
      return found
    } })
    await import('${entry}')
    console.log(JSON.stringify([...seen].sort()))`
  const args = ['--conditions=troupe-source', '--input-type=module', '--eval', script]
  const cwd = fileURLToPath(new URL('..', import.meta.url))
  return JSON.parse(execFileSync(process.execPath, args, { cwd, encoding: 'utf8' }))
}

test('nothing of OpenTelemetry is loaded but by the sub-path', () => {
  expect(otelLoadedBy('@troupe/telemetry')).toEqual([])
  expect(otelLoadedBy('@troupe/telemetry/otel')).toContain('@opentelemetry/otlp-transformer')
})
