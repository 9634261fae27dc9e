/**
 * Where a hosted machine differs from plain XState on purpose, pinned with both results. The reasons are told in
 * docs/guarantees.md, "How hosted XState differs from plain XState"; the numbers are those of its list.
 */
import { beforeEach, expect, test, vi } from 'vitest'
import {
  type AnyActorLogic,
  type AnyActorRef,
  assign,
  forwardTo,
  fromCallback,
  sendParent,
  sendTo,
  spawnChild,
} from 'xstate'
import type { Json } from '../codec.ts'
import { effect } from '../effect.ts'
import { hostedRun } from './hosted.ts'
import { keepMessage, machine, note } from './parts.ts'
import { plainRun } from './plain.ts'
import type { Case, Operation } from './script.ts'
import type { World } from './world.ts'

beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
})

interface Self {
  readonly self: AnyActorRef
}

const script = (make: (world: World) => AnyActorLogic, ...operations: Operation[]): Case => ({
  name: '',
  make,
  operations,
})

/** One place of the tree under plain XState and hosted. */
async function both(
  one: Case,
  ...place: (string | number)[]
): Promise<{ readonly xstate: unknown; readonly hosted: unknown }> {
  const at = (tree: unknown) =>
    place.reduce<unknown>(
      (value, name) => (typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined),
      tree,
    )
  const [plain, hosted] = [await plainRun(one), await hostedRun(one, { kind: 'no restart' })]
  return { xstate: at(plain.tree), hosted: at(hosted.tree) }
}

const fail = () => {
  throw new Error('custom')
}

test('1: what a custom action sends arrives after the step, so behind its sendTos', async () => {
  const make = () =>
    machine(
      {
        invoke: { id: 'kid', src: 'kid' },
        on: {
          GO: {
            actions: [
              sendTo('kid', { type: 'sendTo' }),
              ({ self }: Self) => self.getSnapshot().children['kid']?.send({ type: 'custom' }),
            ],
          },
        },
      },
      { actors: { kid: machine({ context: { log: [] }, on: { '*': { actions: note() } } }) } },
    )
  expect(await both(script(make, 'GO'), 'children', 0, 1, 'context', 'log')).toEqual({
    xstate: ['custom', 'sendTo'],
    hosted: ['sendTo', 'custom'],
  })
})

test('2: a custom action that throws ends the machine in its new state, and the actions behind it have run', async () => {
  const make = (world: World) =>
    machine({ initial: 'a', states: { a: { on: { GO: { target: 'b', actions: [fail, world.act('next')] } } }, b: {} } })
  const one = script(make, 'GO')
  expect(await both(one, 'value')).toEqual({ xstate: 'a', hosted: 'b' })
  expect(await both(one, 'status')).toEqual({ xstate: 'error', hosted: 'error' })
  expect((await plainRun(one)).acts).toEqual([])
  expect((await hostedRun(one, { kind: 'no restart' })).acts).toEqual(['next'])
})

test('3: a callback that answers at once is heard after the step, so behind the children of the machine', async () => {
  const make = () =>
    machine(
      {
        context: { log: [] },
        invoke: [
          { id: 'callback', src: 'callback' },
          { id: 'kid', src: 'kid' },
        ],
        on: {
          GO: { actions: [sendTo('callback', { type: 'Q' }), sendTo('kid', { type: 'Q' })] },
          '*': { actions: note() },
        },
      },
      {
        actors: {
          callback: fromCallback(({ sendBack, receive }) => receive(() => sendBack({ type: 'FROM CALLBACK' }))),
          kid: machine({ on: { Q: { actions: sendParent({ type: 'FROM KID' }) } } }),
        },
      },
    )
  expect(await both(script(make, 'GO'), 'context', 'log')).toEqual({
    xstate: ['FROM CALLBACK', 'FROM KID'],
    hosted: ['FROM KID', 'FROM CALLBACK'],
  })
})

test('4: a custom action that reads its own machine sees the new state', async () => {
  const seen =
    (world: World) =>
    ({ self }: Self) =>
      world.act(String(self.getSnapshot().value))()
  const make = (world: World) =>
    machine({ initial: 'a', states: { a: { on: { GO: { target: 'b', actions: seen(world) } } }, b: {} } })
  const one = script(make, 'GO')
  expect((await plainRun(one)).acts).toEqual(['a'])
  expect((await hostedRun(one, { kind: 'no restart' })).acts).toEqual(['b'])
})

test('5: the children of an actor that threw end with it; XState lets them run on, out of reach', async () => {
  const leaf = machine({ initial: 'a', states: { a: { after: { 2: 'b' } }, b: {} } })
  const kid = machine(
    { invoke: { id: 'leaf', src: 'leaf' }, on: { GO: { actions: assign(fail) } } },
    { actors: { leaf } },
  )
  const make = () =>
    machine(
      {
        context: {},
        invoke: { id: 'kid', src: 'kid', onError: { actions: keepMessage('why') } },
        on: { GO: { actions: forwardTo('kid') } },
      },
      { actors: { kid } },
    )
  const one = script(make, 'GO', 3)
  expect(await both(one, 'context', 'why')).toEqual({ xstate: 'custom', hosted: 'custom' })
  expect(await both(one, 'children', 0, 1, 'children', 0, 1, 'value')).toEqual({ xstate: 'b', hosted: 'a' })
  expect(await both(one, 'children', 0, 1, 'children', 0, 1, 'status')).toEqual({ xstate: 'active', hosted: 'stopped' })
})

const silent = machine({})

test.each<[string, () => AnyActorLogic, Operation[]]>([
  [
    'spawned under an id in use',
    () => machine({ on: { GO: { actions: spawnChild('kid', { id: 'kid' }) } } }, { actors: { kid: silent } }),
    ['GO', 'GO'],
  ],
  [
    'invoked again because the root is entered without being left',
    () =>
      machine(
        { id: 'top', initial: 'a', invoke: { id: 'kid', src: 'kid' }, states: { a: { on: { GO: '#top' } } } },
        { actors: { kid: silent } },
      ),
    ['GO'],
  ],
  [
    'invoked again because a history without a past stands for the state itself',
    () =>
      machine(
        {
          initial: 'a',
          states: { a: { invoke: { id: 'kid', src: 'kid' }, on: { GO: 'back' } }, back: { type: 'history' } },
        },
        { actors: { kid: silent } },
      ),
    ['GO'],
  ],
])('6: a second child is refused: %s; XState forgets the first, which runs on', async (_name, make, operations) => {
  const one = script(make, ...operations)
  expect(await plainRun(one)).toMatchObject({ tree: { status: 'active' } })
  await expect(hostedRun(one, { kind: 'no restart' })).rejects.toMatchObject({ code: 'LogicRefused' })
})

test('7: a context field that is undefined is not there after a restart', async () => {
  const make = () =>
    machine({
      context: { gone: 1, keys: [] },
      on: {
        GO: { actions: assign({ gone: undefined }) },
        LOOK: { actions: assign({ keys: ({ context }) => Object.keys(context) }) },
      },
    })
  const one = script(make, 'GO', 'LOOK')
  expect(await both(one, 'context', 'keys')).toEqual({ xstate: ['gone', 'keys'], hosted: ['gone', 'keys'] })
  const restarted = await hostedRun(one, { kind: 'killed after release' })
  expect(restarted.tree).toMatchObject({ context: { keys: ['keys'] } })
})

test('8: what an effect gives is what its stored bytes say: an error keeps name and message, a class instance is refused', async () => {
  class Money {
    readonly cents = 5
  }
  const ends = (result: { ok: unknown } | { fail: unknown }) => (world: World) =>
    machine(
      {
        context: {},
        invoke: {
          src: 'load',
          onDone: { actions: assign({ seen: ({ event }) => event['output'] instanceof Money }) },
          onError: { actions: assign({ seen: ({ event }) => codeOf(event['error']) }) },
        },
      },
      { actors: { load: world.effect(1, () => result) } },
    )
  expect(await both(script(ends({ ok: new Money() }), 2), 'context', 'seen')).toEqual({
    xstate: true,
    hosted: 'NotSerializable',
  })
  const coded = Object.assign(new Error('no'), { code: 'E_OWN' })
  expect(await both(script(ends({ fail: coded }), 2), 'context', 'seen')).toEqual({ xstate: 'E_OWN', hosted: null })
})

test('9: a write that had begun when its process died is reported and never made again; a restored XState makes it again', async () => {
  const make = (world: World) =>
    machine(
      {
        initial: 'paying',
        context: {},
        states: {
          paying: {
            invoke: {
              src: 'charge',
              onDone: 'paid',
              onError: { target: 'unclear', actions: assign({ seen: ({ event }) => codeOf(event['error']) }) },
            },
          },
          paid: {},
          unclear: {},
        },
      },
      {
        actors: {
          charge: effect('charge', 'write', (_input, { effectId }) => {
            world.act('charged')()
            return world.call(effectId, 3, { ok: 1 })
          }),
        },
      },
    )
  const one = script(make, 1, { upgrade: true }, 4)
  expect(await both(one, 'value')).toEqual({ xstate: 'paid', hosted: 'unclear' })
  expect(await both(one, 'context', 'seen')).toEqual({ xstate: undefined, hosted: 'EffectOutcomeUnknown' })
  expect((await plainRun(one)).acts).toEqual(['charged', 'charged'])
  expect((await hostedRun(one, { kind: 'no restart' })).acts).toEqual(['charged'])
})

function codeOf(error: unknown): Json {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : null
}
