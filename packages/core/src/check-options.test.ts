import { expect, test } from 'vitest'
import { checkOptions } from './check-options.ts'
import { createSystem } from './index.ts'

const good = { actors: [], node: 'one', shards: 8, leaseMs: 3_000, residency: {} }

test.each([0, -1, 1.5, 10_001, Number.NaN, Number.POSITIVE_INFINITY])('shards: %d is refused', async (shards) => {
  await expect(createSystem({ shards })).rejects.toThrow(`shards is ${shards}; it must be a whole number`)
})

test.each([0, 2_000, 3_500, Number.NaN, Number.POSITIVE_INFINITY])('leaseMs: %d is refused', async (leaseMs) => {
  await expect(createSystem({ leaseMs })).rejects.toThrow(`leaseMs is ${leaseMs}; it must be whole seconds`)
})

test.each(['', 'a b.c', 'a..b', '.a', 'a*', 'ä'])('node: %j is refused', async (node) => {
  await expect(createSystem({ node })).rejects.toThrow(`node is '${node}'; it must be letters`)
})

test.each([0, -1, 1.5, Number.NaN])('residency: %d is refused', async (most) => {
  await expect(createSystem({ residency: { actors: most } })).rejects.toThrow(`residency.actors is ${most}; it must be`)
  await expect(createSystem({ residency: { bytes: most } })).rejects.toThrow(`residency.bytes is ${most}; it must be`)
})

test.each([{}, null, 'counter', { protocol: {}, logic: {} }])('actors: %j is no definition', (given) => {
  const actors = JSON.parse(JSON.stringify([given]))
  expect(() => checkOptions({ ...good, actors })).toThrow(
    expect.objectContaining({
      code: 'LogicRefused',
      message: 'actors[0]: actors must come from defineActor(protocol, { logic })',
    }),
  )
})

test('what is allowed passes', () => {
  for (const more of [{ shards: 1 }, { shards: 10_000 }, { leaseMs: 20_000 }, { node: 'host-1.example.org' }]) {
    expect(() => checkOptions({ ...good, ...more })).not.toThrow()
  }
})
