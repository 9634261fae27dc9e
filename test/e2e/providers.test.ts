/** The demo with a provider's key: in either wire format, and again from a cassette of what that provider has said. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Format, type Provider, provider } from './provider.ts'

const MAIN = new URL('../../apps/node-runner/src/main.ts', import.meta.url).pathname
const KEY = 'sk-test-5b1e0c9d7f'
const ARGS = ['demo', '--json', '--trials', '2', '--seed', '3', '--workers', '1', '--nodes', '1', '--no-kill']

async function demo(format: Format, { url }: Provider, data: string) {
  const prefix = format === 'anthropic' ? 'ANTHROPIC' : 'OPENAI'
  const child = spawn(process.execPath, ['--conditions=troupe-source', MAIN, ...ARGS], {
    env: {
      ...process.env,
      TROUPE_DATA: data,
      TROUPE_LLM: format,
      TROUPE_MODEL: 'm',
      TROUPE_PRICE_IN: '0.1',
      TROUPE_PRICE_OUT: '0.4',
      TROUPE_RPM: '100000',
      [`${prefix}_BASE_URL`]: url,
      [`${prefix}_API_KEY`]: KEY,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (text: Buffer) => {
    stdout += text
  })
  child.stderr.on('data', (text: Buffer) => {
    stderr += text
  })
  const code = await new Promise((resolve) => child.once('close', resolve))
  expect(code, stderr).toBe(0)
  return { report: JSON.parse(stdout), said: stdout + stderr }
}

/** Files below a folder that hold a text. */
function holding(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile() && readFileSync(path).includes(text))
}

test.each(['openai-compatible', 'anthropic'] as const)(
  'the demo asks a provider of the format %s, and its cassette in its place, with the same result; the key is nowhere',
  async (format) => {
    const folder = mkdtempSync(join(tmpdir(), 'troupe-provider-'))
    try {
      await using live = await provider(format, KEY)
      const first = await demo(format, live, join(folder, 'live'))
      const cassette = live.cassette()
      expect(cassette.exchanges.length).toBe(live.calls)
      await using replayed = await provider(format, KEY, cassette)
      const again = await demo(format, replayed, join(folder, 'replayed'))

      expect(again.report.trials).toEqual(first.report.trials)
      expect(again.report.heldOut).toEqual(first.report.heldOut)
      expect(first.report.heldOut.rows).toBeGreaterThan(10)
      expect(replayed.calls).toBe(live.calls)
      expect(first.said + again.said + JSON.stringify(cassette)).not.toContain(KEY)
      expect(holding(folder, 'study-triage').length, 'the log is among the files that were searched').toBeGreaterThan(0)
      expect(holding(folder, KEY)).toEqual([])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  120_000,
)
