/** `examples/cluster` as a user starts it: three node processes, two of them killed on the way. */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const folder = new URL('../../examples/cluster', import.meta.url).pathname

test('an order is priced and approved while its nodes are killed; a room that fails is brought back with all others', async () => {
  const before = leftBehind()
  const { code, lines, stderr } = await run()
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const [, placed, killed, priced, killedAgain, approved, homes, failed, restarted, ...more] = lines
  expect(more).toEqual([])
  expect(placed).toContain('waits for an answer')
  expect(killed).toMatch(/node [abc], which held it, is killed while the price list is asked/)
  expect(priced).toContain('the list was asked 2 times, the answer was taken once')
  expect(killedAgain).toMatch(/node [abc], which held it, is killed while the order waits for its approval/)
  expect(approved).toContain('who placed it has the answer: {"cents":14700}')
  expect(homes).toMatch(/on nodes [abc], [abc], [abc] and hold 10, 20 and 30 pieces/)
  expect(failed).toContain('the belt is jammed')
  expect(restarted).toContain('has begun all three again (one_for_all); they hold 10, 20, 30')
  expect(leftBehind()).toEqual(before)
}, 60_000)

async function run() {
  const child = spawn(process.execPath, ['--conditions=troupe-source', 'main.ts'], { cwd: folder })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
  const late = setTimeout(() => child.kill('SIGKILL'), 50_000)
  const code = await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(late)
  return { code, stderr, lines: stdout.trim().split('\n') }
}

/** Its folder holds the store of its server, and with that the lock of the process. */
function leftBehind(): readonly string[] {
  return readdirSync(tmpdir())
    .filter((name) => name.startsWith('troupe-example-'))
    .map((name) => join(tmpdir(), name))
}
