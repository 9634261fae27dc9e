import { expect, test } from 'vitest'
import type { LoggedEvent } from './logged-event.ts'
import { type Spending, type Spent, spendingOf } from './spending.ts'

/** A log made by hand: steps that say what led to them, and what their effects have said. */
class Log {
  readonly events: LoggedEvent[] = []

  step(id: string, causation: string, evidence?: unknown, correlation = 'c'): this {
    const order = this.events.length + 1
    const actor = id.slice(0, id.indexOf('#'))
    this.events.push({
      ...{ order, id, actor, type: actor.slice(0, actor.indexOf('/')), epoch: 1, seq: order },
      ...{ kind: evidence === undefined ? 'message' : 'effect.done', event: 'go', at: order },
      ...{ correlation, causation, outcome: 'applied', evidence },
    })
    return this
  }
}

const spent = (evidence: unknown): Spending => spendingOf(new Log().step('a/1#1:1', 'client', evidence).events)
const figures = ({ calls, failed, promptTokens, completionTokens, withoutUsage, withoutPrice, unseen }: Spent) => [
  ...[calls, failed, promptTokens, completionTokens],
  ...[withoutUsage, withoutPrice, unseen],
]
const names = (rows: readonly { readonly name: string; readonly calls: number }[]) =>
  Object.fromEntries(rows.map(({ name, calls }) => [name, calls]))

const lm = (llmCall: string, more: object = {}, status = 'ok') => ({
  ...{ id: llmCall, parent: null, kind: 'lm', name: 'LM', startMs: 0, endMs: 1, status },
  data: { model: 'small', llmCall, ...more },
})
const python = (...spans: object[]) => ({ worker: 'w', fn: 'f', wallMs: 1, spans })
const usage = (promptTokens: number, completionTokens: number) => ({ promptTokens, completionTokens })
const predict = (model: string, tries: object[]) => ({ [`predict.X@${model}`]: { provider: 'acme', tries } })

test('calls of Python are its lm spans, those of earlier calls of the effect and failed ones among them', () => {
  const { total, models } = spent({
    ...python(lm('1', usage(7, 3)), { ...lm('m'), kind: 'module' }, lm('2', {}, 'error')),
    earlier: [python(lm('3', usage(5, 1))), { ...python(lm('4', usage(0, 0))), dropped: 2 }],
  })
  expect(figures(total)).toEqual([4, 1, 12, 4, 2, 4, 2])
  expect(models).toMatchObject([{ name: 'troupe/small', calls: 4 }])
})

test('calls of predict and direct are their tries, each with its own tokens and cost', () => {
  const { total, models } = spent({
    ...predict('large', [
      { format: 'json_schema', error: 'Timeout' },
      { format: 'text', usage: usage(10, 2), costUsd: 0.25, faults: ['it is no JSON'] },
    ]),
    'ask@home@tiny': { provider: 'local', tries: [{ usage: usage(1, 1), costUsd: 0.5 }] },
  })
  expect(figures(total)).toEqual([3, 1, 11, 3, 1, 1, 0])
  expect(total.costUsd).toBe(0.75)
  expect(names(models)).toEqual({ 'acme/large': 2, 'local/tiny': 1 })
})

test('model-calls/1: all uses of a model by one effect are told, and those that the record has lost', () => {
  const use = (promptTokens: number) => ({ provider: 'acme', tries: [{ usage: usage(promptTokens, 1), costUsd: 0.5 }] })
  const often = {
    'predict.X@large': { ...use(4), earlier: [use(1), { provider: 'acme', tries: [{ error: 'Timeout' }] }] },
  }
  const { total, models } = spent(often)
  expect(figures(total)).toEqual([3, 1, 5, 2, 1, 1, 0])
  expect(models).toMatchObject([{ name: 'acme/large', calls: 3, costUsd: 1 }])
  expect(spent({ 'predict.X@large': { ...often['predict.X@large'], dropped: 4 } }).total.unseen).toBe(4)
  // A protect around it has seen each of them once.
  const tries = [{ ended: 'Timeout' }, { ended: 'Timeout' }, { ended: 'ok' }]
  expect(spent({ ...often, 'predict.X.protected': { tries } }).total).toMatchObject({ calls: 3, unseen: 0 })
  const more = { 'predict.X.protected': { tries, earlier: [{ tries }] } }
  expect(spent({ ...often, ...more }).total).toMatchObject({ calls: 3, unseen: 3 })
})

test('a routed around a predict adds its price and no call; calls that the record has lost are said', () => {
  const asked = (...routes: object[]) => ({ 'routed.X': { selection: {}, asked: routes } })
  const two = predict('large', [{ error: 'Timeout' }, { usage: usage(10, 2) }])
  const one = spent({ ...two, ...asked({ route: 'a', ended: 'accepted', calls: 2, ms: 1, costUsd: 0.5 }) })
  expect(figures(one.total)).toEqual([2, 1, 10, 2, 1, 1, 0])
  expect(one.total.costUsd).toBe(0.5)
  expect(one.models).toMatchObject([{ name: 'acme/large', costUsd: 0.5 }])
  // Who of the two has cost what is not known.
  const rival = { ...two, ...predict('tiny', [{ usage: usage(1, 1) }, { usage: usage(1, 1) }]) }
  const both = spent({ ...rival, ...asked({ route: 'a', calls: 2, costUsd: 0.5 }, { route: 'b', calls: 2 }) })
  expect([both.total.calls, both.total.costUsd, both.total.withoutPrice]).toEqual([4, 0, 4])
  const lost = spent({
    ...two,
    ...asked({ route: 'a', calls: 2 }, { route: 'b', calls: 3 }, { route: 'py', calls: 0 }),
  })
  expect([lost.total.calls, lost.total.unseen]).toEqual([2, 3])
})

test('a protect around a predict adds no call; tries of which the record does not tell are said', () => {
  const tries = [{ ended: 'Timeout' }, { ended: 'BreakerOpen' }, { ended: 'ok' }]
  const guarded = { 'ask.protected': { tries, answeredBy: 'ask' } }
  const inner = predict('large', [{ usage: usage(10, 2) }])
  expect(figures(spent({ ...inner, ...guarded }).total)).toEqual([1, 0, 10, 2, 0, 1, 1])
  const often = { 'ask.protected': { ...guarded['ask.protected'], earlier: [{ tries }, { tries }], dropped: 3 } }
  expect(spent({ ...inner, ...often }).total).toMatchObject({ calls: 1, unseen: 8 })
  expect(figures(spent({ ...guarded, effect: 'mail' }).total)).toEqual([0, 0, 0, 0, 0, 0, 0])
})

test('results that were kept cost nothing, and what is of no known shape is no call', () => {
  const evidences = [
    { 'predict.X.cached': { how: 'kept', key: 'k', endpoint: 'e' } },
    { 'a@b': { tries: [{}] }, 'c@d': { provider: 'p', tries: 'many' }, worker: 3, spans: [lm('1')] },
    null,
    'text',
    [1],
  ]
  for (const evidence of evidences) {
    expect(spent(evidence)).toMatchObject({ total: { calls: 0, unseen: 0 }, models: [], actors: [], traces: [] })
  }
})

test('spending/1, spending/2: every actor above the one that asked shows the call once, however the way to it was', () => {
  const one = (id: string) => python(lm(id, usage(1, 1)))
  const { events } = new Log()
    .step('session/s#1:1', 'client')
    .step('study/a#1:1', 'session/s#1:1')
    .step('trial/1#1:1', 'study/a#1:1')
    .step('trial/1#1:2', 'trial/1#1:1', one('1')) // the result of its own effect
    .step('study/a#1:2', 'trial/1#1:2') // told of it, the study goes on
    .step('study/a#1:3', 'study/a#1:2', one('2'))
    .step('session/s#1:2', 'session/s#1:1', one('3'))
    .step('other/o#1:1', 'client', one('4'), 'd')
    .step('late/l#1:1', 'gone/g#1:7', one('5'), 'd') // its cause is not in the log
  const { total, actors, trees, traces } = spendingOf(events)
  expect(total.calls).toBe(5)
  expect(names(actors)).toEqual({ 'trial/1': 1, 'study/a': 1, 'session/s': 1, 'other/o': 1, 'late/l': 1 })
  expect(names(trees)).toEqual({
    ...{ 'session/s': 3, 'study/a': 2, 'trial/1': 2 },
    ...{ 'other/o': 1, 'late/l': 1, 'gone/g': 1 },
  })
  expect(names(traces)).toEqual({ c: 3, d: 2 })
  const ofStudy = spendingOf(events, { actor: 'study/a' })
  expect(names(ofStudy.models)).toEqual({ 'troupe/small': 2 })
  expect(ofStudy.total).toMatchObject({ calls: 2, promptTokens: 2 })
  expect(spendingOf(events, { actor: 'nobody/n' }).total.calls).toBe(0)
})

test('spending/3: a call told of again by a later run of its effect was asked once, failed ones each time', () => {
  const { events } = new Log()
    .step('a/1#1:1', 'client', python(lm('1', usage(4, 1)), lm('2', {}, 'error')))
    .step('a/1#1:2', 'a/1#1:1', python(lm('1', usage(4, 1)), lm('2', usage(5, 1))))
  expect(figures(spendingOf(events).total)).toEqual([3, 1, 9, 2, 1, 3, 0])
  // Also when the first was not asked for: who tells it first has asked it.
  const of = spendingOf([...events, ...new Log().step('b/1#1:1', 'client', python(lm('1', usage(4, 1)))).events], {
    actor: 'b/1',
  })
  expect(of.total.calls).toBe(0)
})

test('a chain of 100,000 steps through two actors that ask each other is read without recursion', () => {
  const log = new Log().step('a/1#1:0', 'client')
  for (let n = 1; n <= 100_000; n++) log.step(`${n % 2 ? 'b' : 'a'}/1#1:${n}`, `${n % 2 ? 'a' : 'b'}/1#1:${n - 1}`)
  log.step('a/1#1:100001', 'a/1#1:100000', python(lm('1', usage(1, 1))))
  expect(names(spendingOf(log.events).trees)).toEqual({ 'a/1': 1, 'b/1': 1 })
})
