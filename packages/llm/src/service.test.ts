import {
  type Bus,
  type BusMessage,
  type BusSubscription,
  Disconnected,
  isJson,
  jsonHeaders,
  MessageTooLarge,
  memory,
  packWire,
  realClock,
  seededEntropy,
  unpackWire,
} from '@troupe/core'
import { type ManualClock, manualClock } from '@troupe/core/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { openBudget } from './budget.ts'
import { Ledger } from './ledger.ts'
import { type CompleteOptions, type Model, type ModelAnswer, ModelError, type ModelRequest } from './model.ts'
import { type ModelService, type ServeModels, serveModels } from './service.ts'
import { standInModel } from './stand-in-server.ts'
import type { ModelRecord } from './till.ts'

/** A bus that delivers at once, with what this test needs. */
class TestBus implements Bus {
  readonly handlers = new Map<string, (message: BusMessage) => void>()
  readonly sent: { readonly subject: string; readonly frame: unknown }[] = []
  connected = true
  maxBytes = 10_000

  publish(subject: string, data: Uint8Array): void {
    if (!this.connected) throw new Disconnected('no connection')
    if (data.length > this.maxBytes) throw new MessageTooLarge(`${data.length} bytes`)
    this.sent.push({ subject, frame: unpackWire(data) })
  }
  subscribe(subject: string, handler: (message: BusMessage) => void): BusSubscription {
    this.handlers.set(subject, handler)
    const unsubscribe = () => this.handlers.delete(subject)
    return { unsubscribe, drain: async () => void unsubscribe() }
  }
  openReply(): never {
    throw new Error('the service opens no reply')
  }
  onConnection(): never {
    throw new Error('the service watches no connection')
  }
  flush = (): Promise<void> => Promise.resolve()
}

/** A model that answers when told. */
class TestModel implements Model {
  readonly name = 'test-model'
  readonly provider = 'test'
  readonly calls: {
    readonly request: ModelRequest
    readonly signal: AbortSignal
    readonly say: (delta: string) => void
    readonly answer: (answer: Partial<ModelAnswer>) => void
    readonly fail: (error: unknown) => void
  }[] = []

  complete(request: ModelRequest, { signal, onText }: CompleteOptions): Promise<ModelAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<ModelAnswer>()
    signal.addEventListener('abort', () => reject(signal.reason))
    const usage = { promptTokens: 10, completionTokens: 5 }
    const answer = (part: Partial<ModelAnswer>): void => resolve({ text: 'yes', finishReason: 'stop', usage, ...part })
    this.calls.push({ request, signal, say: (delta) => onText?.(delta), answer, fail: reject })
    return promise
  }
  call(i: number): TestModel['calls'][number] {
    const call = this.calls[i]
    if (call === undefined) throw new Error(`call ${i} was not made; there are ${this.calls.length}`)
    return call
  }
}

const free = { inPerMillion: 0, outPerMillion: 0 }
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
let bus: TestBus
let model: TestModel
let clock: ManualClock
let ledger: Ledger
let records: ModelRecord[]
let service: ModelService

function serve(options: Partial<ServeModels> = {}): void {
  service = serveModels({
    bus,
    namespace: 'ns',
    model,
    clock,
    ledger,
    onRecord: (record) => records.push(record),
    ...options,
  })
}

beforeEach(() => {
  bus = new TestBus()
  model = new TestModel()
  clock = manualClock()
  ledger = new Ledger()
  records = []
  serve()
})

interface Ask {
  readonly id?: string
  readonly job?: string
  readonly text?: string
  readonly deadlineMs?: number
  readonly stream?: boolean
  readonly config?: object
}

function ask(
  { id = 'a-1', job = 'a', text = 'q', deadlineMs, stream = false, config = {} }: Ask = {},
  reply = 'r',
): void {
  const req = { model: 'm', messages: [{ role: 'user', parts: [{ type: 'text', text }] }], config }
  const body = { v: 1, id, job, parent: `span-of-${id}`, stream, deadlineMs: deadlineMs ?? null, req }
  bus.handlers.get('tr.ns.llm.complete')?.({ subject: '', data: packWire(body), reply: `_INBOX.${reply}` })
}
const cancel = (body: object): void =>
  bus.handlers.get('tr.ns.llm.cancel')?.({ subject: '', data: packWire({ v: 1, ...body }) })
const framesTo = (reply: string): unknown[] =>
  bus.sent.filter(({ subject }) => subject === `_INBOX.${reply}`).map(({ frame }) => frame)
const ok = (text = 'yes'): unknown =>
  expect.objectContaining({
    t: 'ok',
    res: expect.objectContaining({ message: { role: 'assistant', parts: [{ type: 'text', text }] } }),
  })
const err = (code: string): unknown => expect.objectContaining({ t: 'err', code })
const hb = { t: 'hb' }

describe('a call', () => {
  test('is answered with one ok frame and recorded with its parent', async () => {
    ask({ config: { temperature: 0.5 } })
    expect(model.call(0).request).toEqual({ messages: [{ role: 'user', content: 'q' }], temperature: 0.5 })
    clock.advance(20)
    model.call(0).answer({})
    await settled()
    expect(framesTo('r')).toEqual([
      {
        t: 'ok',
        res: {
          id: 'a-1',
          model: 'test-model',
          message: { role: 'assistant', parts: [{ type: 'text', text: 'yes' }] },
          finish_reason: 'stop',
          usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
        },
      },
    ])
    expect(records).toEqual([
      {
        id: 'a-1',
        job: 'a',
        parent: 'span-of-a-1',
        provider: 'test',
        model: 'test-model',
        usage: { promptTokens: 10, completionTokens: 5 },
        queuedMs: 0,
        wallMs: 20,
      },
    ])
    expect(ledger.job('a')).toMatchObject({ calls: 1, failed: 0, promptTokens: 10, completionTokens: 5 })
  })

  test('as a stream is start, one delta, end, then ok', async () => {
    ask({ stream: true })
    model.call(0).answer({})
    await settled()
    expect(framesTo('r')).toMatchObject([
      { t: 'ev', e: { type: 'start' } },
      { t: 'ev', e: { type: 'delta' } },
      { t: 'ev', e: { type: 'end' } },
      { t: 'ok' },
    ])
  })

  test('that fails is answered with the code of lm15', async () => {
    ask()
    model.call(0).fail(new ModelError('RateLimited', 'slow', { retryAfterMs: 1500, status: 429, provider: 'p' }))
    await settled()
    const frame = { t: 'err', code: 'rate_limit', message: 'slow', retry_after: 1.5, status: 429, provider: 'p' }
    expect(framesTo('r')).toEqual([frame])
    expect(records).toMatchObject([{ code: 'RateLimited' }])
    expect(ledger.job('a').failed).toBe(1)
  })

  test('model/3: a client that throws anything else is reported as failed, without its text', async () => {
    ask()
    model.call(0).fail(new TypeError('Bearer sk-secret'))
    await settled()
    expect(framesTo('r')).toEqual([err('server')])
    expect(JSON.stringify(framesTo('r'))).not.toContain('sk-secret')
  })

  test('service/2: hears hb every 500 ms until it is answered, and nothing after', async () => {
    ask()
    clock.advance(1600)
    expect(framesTo('r')).toEqual([hb, hb, hb])
    model.call(0).answer({})
    await settled()
    clock.advance(5000)
    expect(framesTo('r')).toEqual([hb, hb, hb, ok()])
  })

  test('service/2: an answer too large for the bus ends in an error frame', async () => {
    ask()
    model.call(0).answer({ text: 'x'.repeat(20_000) })
    await settled()
    expect(framesTo('r')).toEqual([err('provider')])
  })

  test('that is malformed, or names no inbox, starts nothing', () => {
    ask({ id: '' })
    expect(framesTo('r')).toEqual([err('invalid_request')])
    bus.handlers.get('tr.ns.llm.complete')?.({ subject: '', data: packWire({}), reply: 'tr.ns.j.main-0.x.y' })
    bus.handlers.get('tr.ns.llm.cancel')?.({ subject: '', data: packWire([]) })
    expect(bus.sent).toHaveLength(1)
    expect(service.stats()).toMatchObject({ calls: 0, invalid: 3 })
  })
})

describe('service/1: a repeat', () => {
  test('of a running call re-attaches its new reply subject', async () => {
    ask({}, 'old')
    ask({}, 'new')
    expect(framesTo('new')).toEqual([hb])
    model.call(0).answer({})
    await settled()
    expect(framesTo('old')).toEqual([])
    expect(framesTo('new')).toEqual([hb, ok()])
    expect(model.calls).toHaveLength(1)
    expect(ledger.job('a')).toMatchObject({ calls: 1, cacheHits: 1 })
  })

  test('of a finished call gets the kept answer for 60 s, then a new call', async () => {
    ask({}, 'one')
    model.call(0).answer({})
    await settled()
    clock.advance(59_999)
    ask({}, 'two')
    expect(framesTo('two')).toEqual([ok()])
    clock.advance(1)
    ask({}, 'three')
    expect(model.calls).toHaveLength(2)
    expect(service.stats()).toMatchObject({ calls: 2, fromKept: 1 })
  })

  test('whose answer was lost with the connection gets it', async () => {
    ask({}, 'one')
    bus.connected = false
    clock.advance(500)
    model.call(0).answer({})
    await settled()
    bus.connected = true
    ask({}, 'two')
    expect(framesTo('two')).toEqual([ok()])
    expect(service.stats()).toMatchObject({ calls: 1, lost: 2 })
  })

  test('of a failed call reaches the provider again', async () => {
    ask({}, 'one')
    model.call(0).fail(new ModelError('ContextTooLong', 'x'))
    await settled()
    ask({}, 'two')
    expect(model.calls).toHaveLength(2)
  })

  test('with the same id but another prompt is another call', () => {
    ask({ text: 'q' })
    ask({ text: 'other' })
    expect(model.calls).toHaveLength(2)
  })
})

describe('service/7: a stream', () => {
  const event = (n: number, e: object) => ({ t: 'ev', s: '0', n, e })
  const delta = (n: number, text: string) => event(n, { type: 'delta', delta: { type: 'text', part_index: 0, text } })
  const start = event(0, { type: 'start', id: 'a-1', model: 'test-model' })
  const usage = { input_tokens: 10, output_tokens: 5, total_tokens: 15 }
  const end = (n: number) => event(n, { type: 'end', finish_reason: 'stop', usage })

  test('goes out as it comes, small pieces together, at most one in 50 ms', async () => {
    ask({ stream: true })
    model.call(0).say('y')
    expect(framesTo('r')).toEqual([start, delta(1, 'y')])
    model.call(0).say('e')
    clock.advance(30)
    model.call(0).say('s')
    expect(framesTo('r')).toHaveLength(2)
    clock.advance(20)
    expect(framesTo('r').at(-1)).toEqual(delta(2, 'es'))
    model.call(0).say('!')
    model.call(0).answer({ text: 'yes!' })
    await settled()
    expect(framesTo('r').slice(3)).toEqual([delta(3, '!'), end(4), expect.objectContaining({ t: 'ok', s: '0' })])
    clock.advance(1000)
    expect(framesTo('r')).toHaveLength(6)
  })

  test('that is asked for again comes from its beginning, with the same numbers, also once it is kept', async () => {
    ask({ stream: true }, 'old')
    for (const piece of ['y', 'e', 's']) {
      model.call(0).say(piece)
      clock.advance(50)
    }
    ask({ stream: true }, 'new')
    const before = [start, delta(1, 'y'), delta(2, 'e'), delta(3, 's')]
    expect(framesTo('new')).toEqual([hb, ...before])
    model.call(0).answer({ text: 'yes!' })
    await settled()
    const after = [delta(4, '!'), end(5), expect.objectContaining({ t: 'ok', s: '0' })]
    expect(framesTo('old')).toEqual(before)
    expect(framesTo('new').slice(5)).toEqual(after)
    ask({ stream: true }, 'late')
    expect(framesTo('late')).toEqual([...before, ...after])
    expect(model.calls).toHaveLength(1)
  })

  test('what a lost connection kept back goes first when it is there again', async () => {
    ask({ stream: true })
    model.call(0).say('y')
    bus.connected = false
    model.call(0).say('e')
    clock.advance(50)
    bus.connected = true
    model.call(0).answer({ text: 'yes' })
    await settled()
    expect(framesTo('r').slice(2)).toEqual([delta(2, 'e'), delta(3, 's'), end(4), ok('yes')])
  })

  test('an answer that was asked for whole can be had as one', async () => {
    ask({}, 'whole')
    model.call(0).answer({ text: 'x'.repeat(250_000) })
    bus.maxBytes = 1_000_000
    await settled()
    ask({ stream: true }, 'stream')
    const sizes = [start, 100_000, 100_000, 50_000, end(4)].map((piece, n) =>
      typeof piece === 'number' ? delta(n, 'x'.repeat(piece)) : piece,
    )
    expect(framesTo('stream').slice(0, -1)).toEqual(sizes.map((frame) => ({ ...frame, s: 'whole' })))
  })

  test('that fails says so after what has come', async () => {
    ask({ stream: true })
    model.call(0).say('y')
    model.call(0).say('es')
    model.call(0).fail(new ModelError('Unreachable', 'broke off', { streamedChars: 3 }))
    await settled()
    expect(framesTo('r').slice(2)).toEqual([delta(2, 'es'), err('transport')])
    ask({ stream: true }, 'again')
    model.call(0).say('late')
    expect(model.calls).toHaveLength(2)
  })
})

describe('a deadline', () => {
  test('aborts the provider call and answers timeout at once', async () => {
    ask({ deadlineMs: 1200 })
    clock.advance(1200)
    expect(model.call(0).signal.aborted).toBe(true)
    expect(framesTo('r')).toEqual([hb, hb, err('timeout')])
    await settled()
    expect(records).toMatchObject([{ code: 'Timeout', wallMs: 1200 }])
  })

  test('service/4: counts from arrival, also while the call waits', async () => {
    serve({ concurrent: 1 })
    ask({ id: 'a-1' })
    ask({ id: 'a-2', deadlineMs: 100 }, 'second')
    clock.advance(100)
    expect(framesTo('second')).toEqual([err('timeout')])
    model.call(0).answer({})
    await settled()
    expect(model.calls).toHaveLength(1)
    expect(ledger.job('a')).toMatchObject({ calls: 1, failed: 1 })
  })

  test('that has passed on arrival makes no call', () => {
    ask({ deadlineMs: 0 })
    expect(framesTo('r')).toEqual([err('timeout')])
    expect(model.calls).toHaveLength(0)
  })
})

describe('a cancel', () => {
  test('by id aborts that call only', async () => {
    ask({ id: 'a-1' }, 'one')
    ask({ id: 'a-2' }, 'two')
    cancel({ ids: ['a-1', 'unknown'] })
    expect(framesTo('one')).toEqual([err('cancelled')])
    expect([model.call(0).signal.aborted, model.call(1).signal.aborted]).toEqual([true, false])
    await settled()
    ask({ id: 'a-3' }, 'three')
    expect(model.calls).toHaveLength(3)
  })

  test('service/3: of a job aborts its calls and refuses later ones for 10 min, kept answers included', async () => {
    ask({ id: 'a-1' }, 'one')
    model.call(0).answer({})
    await settled()
    ask({ id: 'a-2' }, 'two')
    ask({ id: 'b-1', job: 'b' }, 'other')
    cancel({ job: 'a' })
    expect(framesTo('two')).toEqual([err('cancelled')])
    ask({ id: 'a-1' }, 'again')
    ask({ id: 'a-3' }, 'later')
    expect([framesTo('again'), framesTo('later')]).toEqual([[err('cancelled')], [err('cancelled')]])
    expect([model.calls.length, framesTo('other'), service.stats().refused]).toEqual([3, [], 2])
    clock.advance(600_000)
    ask({ id: 'a-3' }, 'much-later')
    expect(model.calls).toHaveLength(4)
  })
})

describe('service/4: concurrency', () => {
  test('is capped; the rest is served in order of arrival', async () => {
    serve({ concurrent: 2 })
    for (const n of [1, 2, 3, 4]) ask({ id: `a-${n}`, text: `q${n}` }, `r${n}`)
    expect(service.stats()).toMatchObject({ running: 2, queued: 2 })
    model.call(1).answer({})
    await settled()
    model.call(0).answer({})
    await settled()
    expect(model.calls.map(({ request }) => request.messages[0]?.content)).toEqual(['q1', 'q2', 'q3', 'q4'])
    expect(service.stats()).toMatchObject({ running: 2, queued: 0 })
  })

  test('service/6: more waiting calls than allowed are refused as rate limited', () => {
    serve({ concurrent: 1, queued: 1 })
    for (const n of [1, 2, 3]) ask({ id: `a-${n}` }, `r${n}`)
    expect(framesTo('r3')).toEqual([expect.objectContaining({ t: 'err', code: 'rate_limit', retry_after: 1 })])
  })

  test('a cancelled call that waits is never made', async () => {
    serve({ concurrent: 1 })
    ask({ id: 'a-1' })
    ask({ id: 'a-2' }, 'second')
    cancel({ ids: ['a-2'] })
    model.call(0).answer({})
    await settled()
    expect(model.calls).toHaveLength(1)
    expect(framesTo('second')).toEqual([err('cancelled')])
  })
})

describe('service/5: a budget', () => {
  const price = { inPerMillion: 1, outPerMillion: 1 }
  // 1 byte and 2 × 16 tokens of template, 100 tokens of answer: 133 millionths of a dollar.
  const upperUsd = 133e-6
  const config = { max_tokens: 100 }

  test('refuses as billing before the call that might pass the limit', async () => {
    serve({ budget: openBudget(2 * upperUsd, price) })
    for (const n of [1, 2, 3]) ask({ id: `a-${n}`, config }, `r${n}`)
    await settled()
    expect(model.calls).toHaveLength(2)
    expect(framesTo('r3')).toEqual([err('billing')])
    expect(service.stats().budget).toMatchObject({ spentUsd: 0, reservedUsd: 2 * upperUsd })
  })

  test('counts what was used, and lets calls through again', async () => {
    serve({ budget: openBudget(upperUsd + 20e-6, price) })
    ask({ id: 'a-1', config })
    model.call(0).answer({ usage: { promptTokens: 15, completionTokens: 5 } })
    await settled()
    expect(service.stats().budget).toMatchObject({ spentUsd: 20e-6, reservedUsd: 0 })
    expect(records).toMatchObject([{ costUsd: 20e-6 }])
    ask({ id: 'a-2', config })
    expect(model.calls).toHaveLength(2)
  })

  test('counts an aborted call with all it held, a refused one with nothing', async () => {
    serve({ budget: openBudget(1, price) })
    ask({ id: 'a-1', config })
    cancel({ ids: ['a-1'] })
    ask({ id: 'a-2', config })
    model.call(1).fail(new ModelError('RateLimited', 'slow'))
    await settled()
    expect(service.stats().budget).toMatchObject({ spentUsd: upperUsd, reservedUsd: 0 })
    expect(ledger.job('a').costUsd).toBe(upperUsd)
  })

  test('gives every request a limit on its answer', () => {
    serve({ budget: openBudget(1, free) })
    ask()
    expect(model.call(0).request.maxTokens).toBe(4096)
  })
})

describe('a stop', () => {
  test('service/2: goes silent, so that workers ask elsewhere, and waits for the provider calls it aborts', async () => {
    serve({ concurrent: 1, budget: openBudget(1, { inPerMillion: 1, outPerMillion: 1 }) })
    ask({ id: 'a-1' })
    ask({ id: 'a-2' })
    await service.stop()
    clock.advance(5000)
    expect(bus.sent).toEqual([])
    expect(bus.handlers.size).toBe(0)
    expect(model.calls).toHaveLength(1)
    expect(records.map(({ id, code }) => [id, code])).toEqual([
      ['a-2', 'Cancelled'],
      ['a-1', 'Cancelled'],
    ])
    expect(service.stats()).toMatchObject({ running: 0, queued: 0, budget: { reservedUsd: 0 } })
  })
})

test('over the memory backend: a worker gets its answer, and hears that nobody serves after the stop', async () => {
  const world = memory({ namespace: 'ns' })
  const entropy = seededEntropy(1)
  const [node, worker] = await Promise.all(
    ['node', 'worker'].map((name) => world.connect({ name, clock: realClock(), entropy })),
  )
  if (node === undefined || worker === undefined) throw new Error('no connection')
  serve({ bus: node.bus, model: standInModel() })
  const body = {
    ...{ v: 1, id: 'a-1', job: 'a', parent: null, stream: false, deadlineMs: 1000 },
    req: { model: 'm', messages: [{ role: 'user', parts: ['hello'] }] },
  }
  const answerTo = (asJson: boolean): Promise<unknown> =>
    new Promise((resolve) => {
      const { subject } = worker.bus.openReply((answer) =>
        resolve(answer === 'no-responders' ? answer : unpackWire(answer.data, isJson(answer.headers))),
      )
      const headers = asJson ? { headers: jsonHeaders } : {}
      worker.bus.publish('tr.ns.llm.complete', packWire(body, asJson), { reply: subject, ...headers })
    })
  expect(await answerTo(false)).toMatchObject({ t: 'ok', res: { model: 'local-knn' } })
  expect(await answerTo(true)).toMatchObject({ t: 'ok', res: { model: 'local-knn' } })
  await service.stop()
  expect(await answerTo(false)).toBe('no-responders')
  await Promise.all([node.close(), worker.close()])
})
