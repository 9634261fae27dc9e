import { describe, expect, test } from 'vitest'
import { assign, setup } from 'xstate'
import { z } from 'zod'
import { createSystem, defineActor, type LifeFact, memory, protocol } from './index.ts'

const says = protocol('job', { events: { boom: z.object({}), close: z.object({}) } })
const job = defineActor(says, {
  supervision: { intensity: 1, backoffMs: [1, 1] },
  logic: setup({ types: says.types<Record<string, never>>() }).createMachine({
    context: {},
    initial: 'open',
    states: {
      open: {
        on: {
          close: 'closed',
          boom: {
            actions: assign(() => {
              throw new Error('boom')
            }),
          },
        },
      },
      closed: { type: 'final' },
    },
    output: 'bye',
  }),
})

async function take(n: number, facts: AsyncIterable<LifeFact>): Promise<LifeFact[]> {
  const taken: LifeFact[] = []
  for await (const fact of facts) if (taken.push(fact) === n) break
  return taken
}

const short = (facts: readonly LifeFact[]) =>
  facts.map((fact) => {
    if (fact.kind === 'failed') return `failed: ${fact.decision.directive}`
    return fact.kind === 'started' ? `started by ${fact.by}` : fact.kind
  })

describe('watch: the life of an actor as facts of its log', () => {
  test('from its first state over failures, quarantine, orders and moves to its end', async () => {
    const backend = memory()
    const node = await createSystem({ actors: [job], backend, node: 'first' })
    await using client = await createSystem({ backend })
    const ref = client.get(job, 'a')
    const all = take(12, client.watch(ref, { from: 1 }))
    const now = take(3, client.watch(ref))
    await new Promise((resolve) => setTimeout(resolve, 20))
    for (let i = 0; i < 2; i++) await expect(ref.ask({ type: 'boom' })).rejects.toMatchObject({ code: 'ActorFailed' })
    await client.start(ref)
    await client.reset(ref, { reason: 'spring' })
    await node.drain()
    await using _second = await createSystem({ actors: [job], backend, node: 'second' })
    await ref.ask({ type: 'close' })
    await client.destroy(ref)
    await client.start(ref)
    await ref.ask({ type: 'close' })
    const facts = await all
    expect(short(facts)).toEqual([
      'moved',
      'started by message',
      'failed: restart',
      'failed: quarantine',
      'quarantined',
      'started by start',
      'started by reset',
      'moved',
      'done',
      'destroyed',
      'started by start',
      'done',
    ])
    expect(facts[0]).toMatchObject({ node: 'first', epoch: 1 })
    expect(facts[2]).toMatchObject({ step: 'job/a#1:2', error: { code: 'ActorFailed' }, decision: { failures: 1 } })
    expect(facts[7]).toMatchObject({ node: 'second' })
    expect(facts[8]).toMatchObject({ output: 'bye' })
    expect(short(await now)).toEqual(['moved', 'started by message', 'failed: restart'])
  })

  test('a fact is found again from its position', async () => {
    await using system = await createSystem({ actors: [job] })
    const ref = system.get(job, 'a')
    await expect(ref.ask({ type: 'boom' })).rejects.toThrow()
    const [, , failed] = await take(3, system.watch(ref, { from: 1 }))
    const [again] = await take(1, system.watch(ref, { from: failed?.position ?? 0 }))
    expect(again).toEqual(failed)
  })

  test('the signal ends it', async () => {
    await using system = await createSystem({ actors: [job] })
    const ended = new AbortController()
    const facts = take(5, system.watch(system.get(job, 'a'), { signal: ended.signal }))
    setTimeout(() => ended.abort(), 10)
    expect(await facts).toEqual([])
  })
})
