import { describe, expect, test } from 'vitest'
import { seededEntropy } from './entropy.ts'
import { type Assigned, assign, type Member, sameMembers, type View } from './placement.ts'
import { randomOf } from './testing/random-data.ts'

const member = (id: string, groups: readonly string[] = ['main']): Member => ({ id, node: id, groups })
const view = (members: readonly Member[]): View => ({ version: 1, members })
const groups = { main: 256, gpu: 16 }

describe('placement/1: a member that joins or leaves moves only the shards that it gains or had', () => {
  test.each([1, 2, 3])('random clusters (seed %i)', (seed) => {
    const entropy = seededEntropy(seed)
    const random = randomOf(entropy)
    let members: Member[] = [member(entropy.hex(32))]
    let before = assign(view(members), groups)
    let assigned = { view: view(members), owners: before }
    for (let i = 0; i < 12; i++) {
      const joins = members.length < 2 || random.int(3) > 0
      const changed = joins ? member(entropy.hex(32), random.pick([['main'], ['main', 'gpu']])) : random.pick(members)
      members = joins ? [...members, changed] : members.filter((m) => m !== changed)
      const after = assign(view(members), groups)
      expect(assign(view(members), groups, assigned)).toEqual(after)
      assigned = { view: view(members), owners: after }
      for (let n = 0; n < groups.main; n++) {
        const [was, is] = [before.get(`main-${n}`), after.get(`main-${n}`)]
        if (was !== is) expect(joins ? is : was).toBe(changed.id)
      }
      before = after
    }
  })

  test('every member gets a fair part', () => {
    const members = Array.from({ length: 8 }, (_, i) => member(`node-${i}`))
    const counts = new Map<string, number>()
    for (const owner of assign(view(members), { main: 2_048 }).values()) counts.set(owner, (counts.get(owner) ?? 0) + 1)
    expect(counts.size).toBe(8)
    for (const count of counts.values()) expect(Math.abs(count - 256)).toBeLessThan(75) // five standard deviations
  })
})

test('what is worked out from an earlier view is what the view alone gives, however many came and went', () => {
  const random = randomOf(seededEntropy('earlier'))
  const all = Array.from({ length: 12 }, (_, i) => member(`node-${i}`, i % 3 === 0 ? ['main', 'gpu'] : ['main']))
  let before: Assigned | undefined
  for (let i = 0; i < 40; i++) {
    const present = view(all.filter(() => random.int(3) > 0))
    const owners = assign(present, groups, before)
    expect(owners).toEqual(assign(present, groups))
    before = { view: present, owners }
  }
})

describe('placement/2: the same view gives the same assignment on every node', () => {
  test('the order in which members are listed does not matter', () => {
    const random = randomOf(seededEntropy('order'))
    const members = Array.from({ length: 9 }, (_, i) => member(`node-${i}`, i % 3 === 0 ? ['main', 'gpu'] : ['main']))
    const expected = assign(view(members), groups)
    for (let i = 0; i < 10; i++) {
      const shuffled = members.map((m) => [random.int(1_000), m] as const).sort(([a], [b]) => a - b)
      expect(assign(view(shuffled.map(([, m]) => m)), groups)).toEqual(expected)
    }
  })

  test('golden: owners of a small cluster', () => {
    const owners = assign(view([member('a-00000001-1'), member('b-00000002-1'), member('c-00000003-1')]), { main: 8 })
    expect([...owners].map(([shard, owner]) => `${shard} ${owner[0]}`).join(', ')).toMatchInlineSnapshot(
      `"main-0 b, main-1 a, main-2 b, main-3 b, main-4 b, main-5 b, main-6 b, main-7 c"`,
    )
  })

  test('only members of a group serve it; a group without members has no owner', () => {
    const owners = assign(view([member('a'), member('b', ['gpu'])]), { main: 4, gpu: 4, none: 4 })
    expect(new Set([...owners].map(([shard, owner]) => `${shard.split('-')[0]} ${owner}`))).toEqual(
      new Set(['main a', 'gpu b']),
    )
    expect(assign(view([]), groups).size).toBe(0)
  })
})

test('two lists name the same members whatever their order', () => {
  expect(sameMembers([member('a'), member('b')], [member('b'), member('a')])).toBe(true)
  expect(sameMembers([member('a')], [member('a'), member('b')])).toBe(false)
  expect(sameMembers([member('a')], [member('b')])).toBe(false)
})
