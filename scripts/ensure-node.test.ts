import { mkdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { linkPinnedNode, nodeState } from './ensure-node.mjs'
import { scratchFolder } from './scratch.ts'

const tool = { version: '1.0.0', integrity: 'sha512-a', dev: true }
const library = { version: '2.0.0', integrity: 'sha512-b' }
const elsewhere = { version: '3.0.0', optional: true, os: ['other'] }

function checkout(installed?: object): string {
  const root = scratchFolder()
  const packages = {
    '': {},
    'node_modules/tool': tool,
    'node_modules/library': library,
    'node_modules/elsewhere': elsewhere,
  }
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages }))
  if (installed) {
    mkdirSync(join(root, 'node_modules'))
    writeFileSync(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: installed }))
  }
  return root
}

it('installs where there is no node_modules', () => {
  expect(nodeState(checkout(), 'runtime')).toBe('stale')
})

it('keeps what `npm install` by hand has put there, without the packages of other platforms', () => {
  const root = checkout({ 'node_modules/tool': tool, 'node_modules/library': library })
  expect(nodeState(root, 'dev')).toBe('by-hand')
})

it('installs again when a version differs from the lock file', () => {
  const root = checkout({ 'node_modules/tool': tool, 'node_modules/library': { ...library, version: '2.0.1' } })
  expect(nodeState(root, 'dev')).toBe('stale')
})

it('does without development tools for `npm start`, not for `npm test`', () => {
  const root = checkout({ 'node_modules/library': library })
  expect(nodeState(root, 'runtime')).toBe('by-hand')
  expect(nodeState(root, 'dev')).toBe('stale')
})

it.skipIf(process.platform === 'win32')('makes the link to the pinned Node that npm 10 leaves out, also twice', () => {
  const root = scratchFolder()
  linkPinnedNode(root)
  linkPinnedNode(root)
  expect(readlinkSync(join(root, 'node_modules/.bin/node'))).toMatch(/^\.\.\/node-.*\/bin\/node$/)
})
