/** The main job as a user runs it: `troupe demo`, then the read commands on what it left behind. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '@troupe/core/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const MAIN = new URL('../../apps/node-runner/src/main.ts', import.meta.url).pathname
const RUN_MS = 120_000

const folders: string[] = []
const dataDir = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-demo-'))
  folders.push(folder)
  return folder
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

function start(
  data: string,
  args: readonly string[],
): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, ['--conditions=troupe-source', MAIN, ...args], {
    env: { ...process.env, TROUPE_DATA: data },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', (text: Buffer) => {
    stdout += text
  })
  child.stderr?.on('data', (text: Buffer) => {
    stderr += text
  })
  const ended = new Promise<Ended>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr })),
  )
  return { child, ended }
}

/** Processes whose environment names this data folder: everything that a run of ours has started. */
function alive(data: string): string[] {
  if (!existsSync('/proc')) return []
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => {
      try {
        const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0]
        return state !== 'Z' && readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`TROUPE_DATA=${data}`)
      } catch {
        return false
      }
    })
}

const nothingLeft = (data: string) =>
  eventually(() => alive(data).length === 0, { withinMs: 5_000, show: () => alive(data) })

interface Tokens {
  readonly promptTokens: number
  readonly completionTokens: number
}

interface Report {
  readonly trials: readonly { readonly number: number; readonly state: string; readonly value: number }[]
  readonly heldOut: { readonly baseline: number; readonly best: number; readonly rows: number }
  readonly kill: { readonly awayMs: number } | null
  readonly asked: Tokens & { readonly calls: number; readonly failed: number }
  readonly replay: { readonly steps: number; readonly mismatches: number }
}

describe('a study of six trials that loses its node half-way', () => {
  const data = dataDir()
  let calm: Report
  let killed: Report
  beforeAll(async () => {
    const args = ['demo', '--json', '--trials', '6', '--seed', '11', '--workers', '1']
    const first = await start(data, args).ended
    expect(first, first.stderr).toMatchObject({ code: 0 })
    const second = await start(dataDir(), [...args, '--no-kill', '--ephemeral']).ended
    expect(second, second.stderr).toMatchObject({ code: 0 })
    killed = JSON.parse(first.stdout)
    calm = JSON.parse(second.stdout)
  }, RUN_MS)

  test('tells every trial once and replays without a difference', () => {
    expect(killed.trials.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4, 5])
    expect(new Set(killed.trials.map(({ state }) => state))).toEqual(new Set(['complete']))
    expect(killed.replay.mismatches).toBe(0)
    expect(killed.replay.steps).toBeGreaterThan(killed.trials.length)
  })

  test('shows no trace of the crash in its result: the same trials, bit for bit', () => {
    expect(killed.kill?.awayMs).toBeGreaterThan(0)
    expect(calm.kill).toBeNull()
    expect(killed.trials).toEqual(calm.trials)
    expect(killed.heldOut).toEqual(calm.heldOut)
  })

  test('gains on rows that it never saw', () => {
    expect(killed.heldOut.best).toBeGreaterThan(killed.heldOut.baseline)
  })

  test('leaves no process behind', () => nothingLeft(data))

  test('can be read afterwards with no node running: events, traces, replay', async () => {
    const troupe = (...args: string[]) =>
      spawnSync(process.execPath, ['--conditions=troupe-source', MAIN, ...args], {
        encoding: 'utf8',
        env: { ...process.env, TROUPE_DATA: data },
        timeout: 30_000,
      })
    const replay = troupe('replay', 'study-triage/seed-11')
    expect(replay, replay.stderr).toMatchObject({ status: 0 })
    const traces = JSON.parse(troupe('trace', 'ls', '--json').stdout)
    expect(traces.items.length).toBeGreaterThan(0)
    const events = JSON.parse(troupe('event', 'ls', '--actor', 'study-triage/seed-11', '--json').stdout)
    expect(events.items.map((event: { event: string }) => event.event)).toContain('run')
    const { correlation } = events.items.find((event: { event: string }) => event.event === 'run')
    const tree = troupe('trace', 'show', correlation).stdout
    for (const part of ['session/seed-11 run', 'effect triage.objective', 'python triage.evaluate', 'lm ']) {
      expect(tree).toContain(part)
    }
    const spending = JSON.parse(troupe('spending', '--by', 'tree', '--json').stdout)
    const { calls, failed, promptTokens, completionTokens } = killed.asked
    // What the model service counted, in spite of the kill; of a call that was cut off the log knows nothing.
    const [session, study] = spending.items
    expect(session).toMatchObject({ name: 'session/seed-11', promptTokens, completionTokens, unseen: 0 })
    expect(session.calls - session.failed).toBe(calls - failed)
    expect(study).toMatchObject({ name: 'study-triage/seed-11', withoutPrice: study.calls })
    expect(study.calls - study.failed).toBe(6 * 50)
    const text = troupe('spending', '--actor', 'study-triage/seed-11').stdout
    expect(text).toMatch(
      new RegExp(`^${study.calls} +\\d+ +${study.promptTokens} .* without a price +troupe/default$`, 'm'),
    )
    await nothingLeft(data)
  }, 60_000)
})

test.each([300, 1_500, 6_000])(
  'Ctrl-C after %i ms leaves no process behind',
  async (afterMs) => {
    const data = dataDir()
    const { child, ended } = start(data, ['demo', '--trials', '64', '--ephemeral'])
    // The instant is the point of this test: whatever the run is doing then has to end.
    await new Promise((resolve) => setTimeout(resolve, afterMs))
    child.kill('SIGINT')
    const { code, signal, stderr } = await ended
    // Before the command has its own handler the signal simply ends it.
    expect(signal ?? code, stderr).toBeOneOf([130, 'SIGINT'])
    await nothingLeft(data)
  },
  60_000,
)
