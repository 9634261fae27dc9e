import { expect, test } from 'vitest'
import { clusterText } from './cluster-text.ts'

test('nodes, shards, actors and children, each below the other', () => {
  const line = {
    actor: 'line/a',
    shard: 'main-2',
    life: 'active',
    seq: 4,
    value: { left: 'on', right: 'off' },
    failures: 1,
    children: [
      { path: '/press:1', src: 'press', status: 'active', value: 'down' },
      { path: '/press:1/stamp:2', src: 'work', status: 'active', effect: 'metal.stamp' },
      { path: '/0.(machine).left.on:3', src: 'hold', status: 'active', effect: 'metal.hold' },
    ],
  } as const
  const quiet = {
    ...line,
    actor: 'line/b',
    shard: 'main-10',
    life: 'quarantined',
    failures: 0,
    value: null,
    children: [],
  } as const
  const nodes = [
    { node: 'one', shards: ['main-2', 'main-10'], actors: [quiet, line], more: 3 },
    { node: 'two', shards: [], actors: [], more: 0 },
  ] as const
  expect(clusterText(nodes)).toEqual([
    'one  2 shards, 5 actors in memory',
    '  main-2',
    '    line/a  active {"left":"on","right":"off"}, step 4, 1 failure lately',
    '      press:1  active down',
    '        stamp:2 (work)  active  effect metal.stamp',
    '      hold in left.on  active  effect metal.hold',
    '  main-10',
    '    line/b  quarantined, step 4',
    '  … 3 more',
    'two  0 shards, 0 actors in memory',
  ])
})
