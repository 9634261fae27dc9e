import { expect, it } from 'vitest'
import { completeLock } from './lockfix.mjs'

const lock = () => ({
  packages: {
    '': {},
    'node_modules/fast': {
      version: '1.2.0',
      dev: true,
      optionalDependencies: {
        '@fast/darwin-arm64': '1.2.0',
        '@fast/linux-x64-gnu': '1.2.0',
        '@fast/linux-x64-musl': '1.2.0',
        '@fast/windows-64': '1.2.0',
        fsevents: '~2.3.3',
      },
    },
    'node_modules/@fast/linux-x64-gnu': { version: '1.2.0', dev: true, optional: true },
  },
})

it('adds the packages of other platforms, and says which it cannot tell', () => {
  const { lock: completed, added, skipped } = completeLock(lock())
  expect(added).toEqual(['@fast/darwin-arm64@1.2.0', '@fast/linux-x64-musl@1.2.0', '@fast/windows-64@1.2.0'])
  expect(skipped).toEqual(['fsevents@~2.3.3'])
  expect(completed.packages).toMatchObject({
    'node_modules/@fast/darwin-arm64': { version: '1.2.0', dev: true, optional: true, os: ['darwin'], cpu: ['arm64'] },
    'node_modules/@fast/linux-x64-musl': { os: ['linux'], cpu: ['x64'], libc: ['musl'] },
    'node_modules/@fast/windows-64': { os: ['win32'], cpu: ['x64'] },
  })
})

it('changes nothing the second time', () => {
  const once = completeLock(lock()).lock
  const twice = completeLock(once)
  expect(twice.added).toEqual([])
  expect(JSON.stringify(twice.lock)).toBe(JSON.stringify(once))
})

it('puts a second version of a platform package below the package that asks for it', () => {
  const other = { 'node_modules/@fast/darwin-arm64': { version: '1.1.0' } }
  const { lock: completed } = completeLock({ packages: { ...lock().packages, ...other } })
  expect(completed.packages).toMatchObject({
    ...other,
    'node_modules/fast/node_modules/@fast/darwin-arm64': { version: '1.2.0' },
  })
})
