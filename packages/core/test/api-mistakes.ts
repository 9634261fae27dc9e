/**
 * Mistakes that users of the API make, each of them one line. Not part of any build: `src/api-messages.test.ts` compiles this
 * file and holds what the user reads to the sentences it names.
 */
import { fromTransition, setup } from 'xstate'
import { z } from 'zod'
import { createSystem, defineActor, effect, protocol } from '../src/index.ts'

const counterSays = protocol('counter', {
  events: { add: z.object({ by: z.number() }) },
  replies: { add: z.number() },
})
const counter = defineActor(counterSays, {
  logic: counterSays.handlers({ n: 0 }, { add: ({ n }, { by }) => ({ state: { n: n + by }, reply: n + by }) }),
})
const says = protocol('x', {
  events: { add: z.object({ by: z.number() }), reset: z.object({}) },
  replies: { add: z.number() },
})
const chart = defineActor(protocol('y', { events: { go: z.object({}) } }), {
  logic: setup({ types: {} as { events: { type: 'go' } } }).createMachine({
    initial: 'idle',
    states: { idle: { on: { go: 'busy' } }, busy: {} },
  }),
})
const pay = effect('pay', 'write', async (input: { cents: number }) => input.cents)
const system = await createSystem({ actors: [counter] })
const ref = system.get(counter, 'k')

// @mistake E1 unknown event
ref.send({ type: 'sub', by: 1 })
// @mistake E2 wrong payload type
await ref.ask({ type: 'add', by: '1' })
// @mistake E3 missing payload field
await ref.ask({ type: 'add' })
// @mistake E4 reply declared for an event that does not exist
protocol('x', { events: { add: z.object({}) }, replies: { ad: z.number() } })
// @mistake E5 machine replies with the wrong type
setup({ types: says.types<{ n: number }>() }).createMachine({
  context: { n: 0 },
  on: { add: { actions: says.reply('add', 'three') } },
})
// @mistake E6 machine handles an event that is not in the protocol
setup({ types: says.types<{ n: number }>() }).createMachine({ context: { n: 0 }, on: { addd: {} } })
// @mistake E7 logic does not take a protocol event
defineActor(says, {
  logic: fromTransition((s: { n: number }, e: { type: 'add'; by: number }) => ({ n: s.n + e.by }), { n: 0 }),
})
// @mistake E8 reply to an event with no reply
setup({ types: says.types<{ n: number }>() }).createMachine({
  context: { n: 0 },
  on: { reset: { actions: says.reply('reset', 1) } },
})
// @mistake E9 matches an unknown state
;(await system.get(chart, 'k').snapshot()).matches('nope')
// @mistake E17 effect invoked with the wrong input
setup({ actors: { pay } }).createMachine({
  initial: 'a',
  states: { a: { invoke: { src: 'pay', input: { cent: 1 } } } },
})
// @mistake E18 an option that does not exist
defineActor(counterSays, { logic: counter.logic, durable: true })
// @mistake E19 a definition that is not an actor
await createSystem({ actors: [counterSays] })
// @mistake E20 a handler forgets its reply
defineActor(says, {
  logic: says.handlers({ n: 0 }, { add: (s, { by }) => ({ n: s.n + by }), reset: () => ({ n: 0 }) }),
})
// @mistake E21 a handler is missing
defineActor(says, { logic: says.handlers({ n: 0 }, { add: (s, { by }) => ({ state: { n: s.n + by }, reply: 1 }) }) })
