import { describe, expect, test } from 'vitest'
import {
  type AnyActorLogic,
  and,
  assign,
  cancel,
  createMachine,
  emit,
  enqueueActions,
  fromCallback,
  fromEventObservable,
  fromObservable,
  fromPromise,
  fromTransition,
  log,
  not,
  or,
  raise,
  sendParent,
  sendTo,
  setup,
  spawnChild,
  stateIn,
  stopChild,
} from 'xstate'
import { checkLogic } from './check-logic.ts'
import { effect } from './effect.ts'

/** Mistakes that XState's types catch in TypeScript: built without them, as from JavaScript. */
const untyped = (config: unknown, implementations: unknown = {}): AnyActorLogic =>
  Reflect.apply(createMachine, undefined, [config]).provide(implementations)

function problems(logic: AnyActorLogic): readonly string[] {
  try {
    checkLogic(logic, 'order')
  } catch (error) {
    expect(error).toMatchObject({ code: 'LogicRefused', applied: 'no' })
    const { details } = error as { details: { problems: string[] } }
    for (const line of details.problems) expect(String(error)).toContain(line)
    return details.problems
  }
  return []
}

const child = setup({}).createMachine({})
const source = { subscribe: () => ({ unsubscribe: () => {} }) }

describe('refused, with the place', () => {
  test.each<[string, AnyActorLogic, string[]]>([
    [
      'a missing action on entry, exit and a transition',
      untyped({
        entry: 'in',
        exit: 'out',
        initial: 'a',
        states: { a: { on: { GO: { actions: ['go', { type: 'deep' }] } } } },
      }),
      [
        "order: action 'in' has no implementation",
        "order: action 'out' has no implementation",
        "order.a on 'GO': action 'go' has no implementation",
        "order.a on 'GO': action 'deep' has no implementation",
      ],
    ],
    [
      'a missing action of an initial transition and of an always',
      untyped({
        initial: { target: 'a', actions: 'first' },
        states: { a: { always: { guard: () => false, actions: 'spin' } } },
      }),
      ["order: action 'first' has no implementation", "order.a on 'always': action 'spin' has no implementation"],
    ],
    [
      'a missing guard, also inside and, or and not',
      untyped(
        {
          on: {
            A: { guard: 'one' },
            B: { guard: and([or(['two', () => true]), not({ type: 'three' })]) },
            C: { guard: 'known' },
          },
        },
        { guards: { known: not('four') } },
      ),
      [
        "order on 'A': guard 'one' has no implementation",
        "order on 'B': guard 'two' has no implementation",
        "order on 'B': guard 'three' has no implementation",
        "order guard 'known': guard 'four' has no implementation",
      ],
    ],
    [
      'a missing actor',
      untyped({ initial: 'a', states: { a: { invoke: [{ src: 'pay' }, { src: 'ship' }] } } }),
      ["order.a: actor 'pay' has no implementation", "order.a: actor 'ship' has no implementation"],
    ],
    [
      'a missing delay of after, raise and sendTo',
      untyped({
        initial: 'a',
        states: { a: { after: { soon: 'b' } }, b: { entry: [raise({ type: 'X' }, { delay: 'later' as never })] } },
        exit: sendTo('x', { type: 'Y' }, { delay: 'never' as never }),
      }),
      [
        "order: delay 'never' has no implementation",
        "order.a: delay 'soon' has no implementation",
        "order.b: delay 'later' has no implementation",
      ],
    ],
    [
      'a child of inline logic, and one without an id',
      untyped({ entry: [spawnChild(child, { id: 'x' }), spawnChild('child')] }, { actors: { child } }),
      ['order: spawnChild of an inline logic; name it in setup({ actors })', 'order: spawnChild without an id'],
    ],
    [
      'the same inside a named action',
      untyped({ entry: 'start' }, { actions: { start: spawnChild(child) } }),
      [
        "order action 'start': spawnChild of an inline logic; name it in setup({ actors })",
        "order action 'start': spawnChild without an id",
      ],
    ],
    [
      'one invoke id in two states that are active together',
      untyped({
        type: 'parallel',
        states: {
          a: { initial: 'x', states: { x: { invoke: { id: 'same', src: child } } } },
          b: { invoke: { id: 'same', src: child } },
        },
      }),
      ["(machine).a.x, (machine).b: two invocations with the id 'same' can run together"],
    ],
    [
      'one invoke id in a state and one below it',
      untyped({
        invoke: { id: 'same', src: child },
        initial: 'a',
        states: { a: { invoke: { id: 'same', src: child } } },
      }),
      ["(machine), (machine).a: two invocations with the id 'same' can run together"],
    ],
    [
      'a context that is no plain data',
      untyped({ context: { orders: new Map() } }),
      ['order: context.orders is an instance of Map: only plain data can be recorded and sent'],
    ],
    [
      "an action with XState's own prefix",
      untyped({}, { actions: { 'xstate.mine': () => {} } }),
      ["order: an action named 'xstate.mine'; the prefix is XState's own"],
    ],
    [
      'an effect that no creator of XState made',
      untyped({}, { actors: { odd: { ...fromPromise(async () => 1), start: () => {} } } }),
      ['order/odd: its start() was made by no XState creator; use fromPromise or fromCallback'],
    ],
    [
      'mistakes of children, however deep, named or inline',
      untyped(
        { initial: 'a', states: { a: { invoke: { src: untyped({ exit: 'inline' }) } } } },
        { actors: { sub: untyped({}, { actors: { subsub: untyped({ entry: 'deep' }) } }) } },
      ),
      [
        "order.a invokes: action 'inline' has no implementation",
        "order/sub/subsub: action 'deep' has no implementation",
      ],
    ],
  ])('%s', (_, logic, expected) => {
    expect(problems(logic)).toEqual(expected)
  })

  test('a logic of its own that starts something', () => {
    const odd = { ...fromTransition((state: object) => state, {}), start: () => {} }
    expect(problems(odd)).toEqual(['order: its start() was made by no XState creator; use fromPromise or fromCallback'])
  })
})

describe('no false alarm', () => {
  const full = setup({
    types: { context: {} as { n: number }, events: {} as { type: 'GO' } | { type: 'STOP' } },
    actors: {
      child,
      pay: effect('pay', 'write', async () => 1),
      wait: fromCallback(() => {}),
      see: fromObservable(() => source),
      events: fromEventObservable(() => source),
      fold: fromTransition((n: number) => n, 0),
    },
    actions: { note: () => {}, count: assign({ n: 1 }), start: spawnChild('child', { id: 'c' }) },
    guards: { yes: () => true, both: and(['yes', 'yes']) },
    delays: { soon: 10, later: () => 20 },
  }).createMachine({
    context: { n: 0 },
    entry: ['note', { type: 'count' }, 'start', () => {}, log('hi'), emit({ type: 'x' } as never)],
    exit: [stopChild('c'), cancel('t'), sendParent({ type: 'bye' })],
    initial: 'a',
    states: {
      a: {
        invoke: [{ src: 'pay' }, { src: 'wait', id: 'same' }, { src: 'fold', id: 'fold' }],
        after: { soon: 'b', later: 'c', 500: 'b' },
        on: { GO: { guard: or(['both', stateIn({ a: {} } as never), not(() => false)]), target: 'b' } },
      },
      b: {
        invoke: [{ src: 'see', id: 'same' }, { src: 'events' }, { src: child }],
        entry: [
          raise({ type: 'GO' }, { delay: 'soon', id: 't' }),
          enqueueActions(({ enqueue }) => enqueue('note')),
          sendTo('same', { type: 'x' }, { delay: 5 }),
        ],
        onDone: 'c',
        initial: 'x',
        states: { x: { type: 'final' }, h: { type: 'history', target: 'x' } },
      },
      c: { type: 'parallel', states: { p: { invoke: { src: 'child' } }, q: { invoke: { src: 'child' } } } },
    },
  })

  test.each<[string, AnyActorLogic]>([
    ['a machine with everything in its place', full],
    ['an empty machine', setup({}).createMachine({})],
    ['a lazy context, judged when it is made', untyped({ context: () => ({ at: new Date() }) })],
    ['plain context of every kind', untyped({ context: { n: 1n, bytes: new Uint8Array(1), list: [null, undefined] } })],
    ['a machine that invokes itself by name', recursive()],
    ['a transition logic', fromTransition((n: number) => n, 0)],
    ['a promise', fromPromise(async () => 1)],
    ['a callback', fromCallback(() => {})],
    ['an observable', fromObservable(() => source)],
    ['an effect', effect('x', 'read', async () => 1)],
  ])('%s', (_, logic) => {
    expect(problems(logic)).toEqual([])
  })
})

function recursive(): AnyActorLogic {
  const machine = untyped({ initial: 'a', states: { a: { invoke: { src: 'self' } } } }, { actors: { self: child } })
  Object.assign(Reflect.get(Reflect.get(machine, 'implementations'), 'actors'), { self: machine })
  return machine
}
