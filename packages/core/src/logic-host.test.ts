import { describe, expect, test } from 'vitest'
import { assign, emit, fromPromise, type PromiseActorLogic, setup } from 'xstate'
import type { Json } from './codec.ts'
import { effect } from './effect.ts'
import type { Input, Intent } from './input.ts'
import { type HostState, LogicHost } from './logic-host.ts'

const origin = (step: string) => ({ step, correlation: 'root' })

/** Drives a host as a turn does, with a restart from the saved state after every step when `restarts`. */
class Driver {
  host: LogicHost
  readonly #logic: ReturnType<typeof machine>
  readonly #restarts: boolean
  readonly queue: Input[] = []
  readonly emitted: Json[] = []
  #seq = 0
  now = 1_000

  constructor(logic: ReturnType<typeof machine>, restarts: boolean) {
    this.#logic = logic
    this.#restarts = restarts
    this.host = this.#fresh()
    this.run({ kind: 'init', event: { type: 'order', key: 'k' } })
  }

  #fresh(): LogicHost {
    return new LogicHost({
      address: 'order/k',
      logic: this.#logic,
      random: () => 0.25,
      onInput: (input) => this.queue.push(input),
      onEmit: (_path, event) => this.emitted.push(event),
    })
  }

  run(input: Input): void {
    const outcome = this.host.step(input, this.now, origin(`order/k#1:${++this.#seq}`))
    const state: HostState = JSON.parse(JSON.stringify(this.host.state()))
    this.#release(outcome.intents)
    if (!this.#restarts) return
    this.host.close()
    this.host = this.#fresh()
    this.host.restore(state)
    this.host.resume()
  }

  #release(intents: readonly Intent[]): void {
    this.host.release(this.#restarts ? intents.filter((intent) => intent.kind === 'emit') : intents)
  }

  send(type: string, more: { [name: string]: Json } = {}): void {
    this.run({ kind: 'message', path: '', event: { type, ...more } })
  }

  /** Lets promises of effects settle and applies what they answer. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      await new Promise(setImmediate)
      for (let input = this.queue.shift(); input !== undefined; input = this.queue.shift()) {
        this.run(input)
        quiet = 0
      }
    }
  }

  passTime(ms: number): void {
    this.now += ms
    for (const timer of this.host.due(this.now)) this.run({ kind: 'timer', timer })
  }
}

const idempotent = () => effect('price', 'idempotent', async () => 42)

const machine = (price: PromiseActorLogic<number, unknown> = idempotent()) =>
  setup({
    types: {
      context: {} as { total: number; dice: number; seen: string[] },
      events: {} as { type: 'buy'; n: number } | { type: 'cancel' } | { type: 'note' },
      emitted: {} as { type: 'paid'; total: number },
    },
    actors: { price },
    guards: { some: ({ event }) => event.type === 'buy' && event.n > 0 },
    actions: { roll: assign({ dice: () => Math.random() }) },
  }).createMachine({
    context: { total: 0, dice: 0, seen: [] },
    type: 'parallel',
    states: {
      order: {
        initial: 'idle',
        states: {
          idle: { on: { buy: { guard: 'some', target: 'pricing', actions: 'roll' } } },
          pricing: {
            invoke: {
              src: 'price',
              onDone: {
                target: 'paid',
                actions: [
                  assign({ total: ({ event }) => event.output }),
                  emit(({ context }) => ({ type: 'paid', total: context.total })),
                ],
              },
              onError: 'idle',
            },
            on: { cancel: 'idle' },
          },
          paid: { after: { 5000: 'idle' } },
        },
      },
      log: { on: { note: { actions: assign({ seen: ({ context }) => [...context.seen, 'note'] }) } } },
    },
  })

describe.each([false, true])('a tree restarted after every step: %s', (restarts) => {
  test('goes through effect, emit and timer to the same state', async () => {
    const driver = new Driver(machine(), restarts)
    driver.send('note')
    driver.send('buy', { n: 1 })
    expect(driver.host.view().value).toEqual({ order: 'pricing', log: {} })
    await driver.settle()
    expect(driver.host.view()).toMatchObject({
      value: { order: 'paid', log: {} },
      context: { total: 42, dice: 0.25, seen: ['note'] },
    })
    expect(driver.emitted).toEqual([{ type: 'paid', total: 42 }])
    driver.passTime(4_999)
    expect(driver.host.view().value).toEqual({ order: 'paid', log: {} })
    driver.passTime(1)
    expect(driver.host.view().value).toEqual({ order: 'idle', log: {} })
  })
})

test('host/1: the result of a write effect is an input; it starts after its own record only', async () => {
  let runs = 0
  const driver = new Driver(machine(fromPromise(async () => ++runs)), false)
  driver.send('buy', { n: 1 })
  expect(runs).toBe(0)
  expect(driver.queue.map((input) => input.kind)).toEqual(['effect.started'])
  await driver.settle()
  expect(runs).toBe(1)
  expect(driver.host.view().context).toMatchObject({ total: 1 })
})

test('host/5: a write effect that had begun is reported after a restart and never run again', async () => {
  let runs = 0
  const driver = new Driver(machine(fromPromise(() => new Promise<number>(() => runs++))), false)
  driver.send('buy', { n: 1 })
  await driver.settle()
  expect(runs).toBe(1)
  const state: HostState = JSON.parse(JSON.stringify(driver.host.state()))
  driver.host.close()
  const inputs: Input[] = []
  const next = new LogicHost({ address: 'order/k', logic: machine(), random: () => 0, onInput: (i) => inputs.push(i) })
  next.restore(state)
  next.resume()
  expect(inputs).toMatchObject([
    { kind: 'effect.error', event: { data: { $error: { wire: { code: 'EffectOutcomeUnknown' } } } } },
  ])
  const [result] = inputs
  if (result === undefined) throw new Error('no input came')
  next.step(result, 2_000, origin('order/k#2:4'))
  expect(next.view().value).toEqual({ order: 'idle', log: {} })
})

test('an event without a transition is told apart from one whose guard said no', () => {
  const driver = new Driver(machine(), false)
  const now = 5
  const refused = driver.host.step({ kind: 'message', path: '', event: { type: 'buy', n: 0 } }, now, origin('x'))
  expect(refused.rejected).toEqual({ reason: 'guard', accepts: ['buy', 'note'] })
  const unknown = driver.host.step({ kind: 'message', path: '', event: { type: 'cancel' } }, now, origin('x'))
  expect(unknown.rejected?.reason).toBe('state')
})

test('host/3: a fold with the recorded draws makes the same state; another number of draws is noticed', () => {
  const driver = new Driver(machine(), false)
  const buy: Input = { kind: 'message', path: '', event: { type: 'buy', n: 2 } }
  const lived = driver.host.step(buy, 7, origin('order/k#1:2'))
  expect(lived.draws).toEqual([0.25])
  const fold = new LogicHost({ address: 'order/k', logic: machine(), random: () => 0.9, onInput: () => {} })
  fold.step({ kind: 'init', event: { type: 'order', key: 'k' } }, 1_000, origin('order/k#1:1'), [])
  expect(fold.step(buy, 7, origin('order/k#1:2'), lived.draws).made).toEqual(lived.made)
  expect(fold.state()).toEqual(driver.host.state())
  expect(() => fold.step({ kind: 'message', path: '', event: { type: 'note' } }, 8, origin('x'), [0.1])).toThrow(
    /drew 1 random values; this fold wanted 0/,
  )
})

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e18])(
  'a delay of %d is refused',
  (wait) => {
    const logic = setup({ delays: { wait } }).createMachine({
      initial: 'idle',
      states: { idle: { on: { go: 'waiting' } }, waiting: { after: { wait: 'late' } }, late: {} },
    })
    const random = () => 0.25
    const host = new LogicHost({ address: 'order/k', logic, random, onInput: () => {}, onEmit: () => {} })
    host.step({ kind: 'init', event: { type: 'order', key: 'k' } }, 1_000, origin('order/k#1:1'))
    const outcome = host.step({ kind: 'message', path: '', event: { type: 'go' } }, 1_000, origin('order/k#1:2'))
    expect(outcome).toMatchObject({ status: 'error', error: { code: 'LogicRefused' } })
    expect(outcome.error).toHaveProperty('message', expect.stringContaining(`a delay is ${wait} ms`))
    expect(host.openTimers).toBe(0)
  },
)
