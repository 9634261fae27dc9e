import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { natsServer } from '@troupe/core/testing'
import { expect, test } from 'vitest'

const root = new URL('../..', import.meta.url).pathname
const example = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? ''

/** Runs a program as a user's file would run: in a folder below the workspace, so that it finds the packages. */
function run(program: string): { readonly stdout: string; readonly stderr: string } {
  const folder = mkdtempSync(join(root, 'test', 'example-'))
  try {
    writeFileSync(join(folder, 'main.ts'), program)
    const { stdout, stderr } = spawnSync(process.execPath, ['--conditions=troupe-source', join(folder, 'main.ts')], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    return { stdout, stderr }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('the example of the README runs as it stands, and ends by itself', () => {
  expect(run(example)).toEqual({ stdout: '5\n', stderr: '' })
})

test('the same example runs on NATS with one import and one option more', async () => {
  await using server = await natsServer()
  const onNats = example
    .replace('\n', "\nimport { nats } from '@troupe/core/nats'\n")
    .replace(
      '{ actors: [counter] }',
      `{ actors: [counter], backend: nats({ servers: '${server.url}', initialise: true }) }`,
    )
  expect(run(onNats)).toEqual({ stdout: '5\n', stderr: '' })
  // The state is in the log: a second process goes on where the first ended.
  expect(run(onNats)).toEqual({ stdout: '10\n', stderr: '' })
})
