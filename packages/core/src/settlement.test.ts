import { describe, expect, test } from 'vitest'
import type { Json } from './codec.ts'
import { seededEntropy } from './entropy.ts'
import { ANSWERS_PER_CLIENT, CLIENT_MS, KEY_MS, Settlement } from './settlement.ts'
import { type Answer, askIdOf, type Step, stepId } from './step.ts'
import { type Random, randomOf } from './testing/random-data.ts'

const HOUR = 3_600_000
const event = (type: string, payload: Json = 0): Json => ({ type, payload })
const replied = (ask: string, value: Json): Pick<Step, 'made' | 'answers'> => ({
  made: { replies: [{ type: 'add', value, to: 'cause' }] },
  answers: [{ ask, reply: 0 }],
})

/** An actor's settlement as a turn drives it; after every step it is also rebuilt from its saved state and compared, to the byte. */
class Ledger {
  settlement = new Settlement()
  seq = 0
  at = 1_000

  step(step: Partial<Step> = {}): Step {
    const full: Step = {
      seq: ++this.seq,
      at: this.at,
      input: { kind: 'message', path: '', event: event('tick') },
      cause: { causation: 'c', correlation: 'r' },
      outcome: 'applied',
      ...step,
    }
    this.settlement.apply(full, stepId('a/b', 1, full.seq))
    const state = this.settlement.state()
    const restored = new Settlement(JSON.parse(JSON.stringify(state)))
    expect(JSON.stringify(restored.state())).toBe(JSON.stringify(state))
    this.settlement = restored
    return full
  }

  /** A command that is answered in its own step. */
  commit(client: string, n: number, more: { settled?: number; key?: string; event?: Json } = {}): void {
    const { settled = 0, key, event: sent = event('add') } = more
    const command = { client, n, settled, wants: 'commit' as const, ...(key !== undefined && { key }) }
    const input = { kind: 'message', path: '', event: sent } as const
    this.step({ command, input, ...replied(askIdOf(command), this.seq + 1) })
  }

  /** A command whose reply comes later. */
  ask(
    client: string,
    n: number,
    more: { settled?: number; key?: string; type?: string; expires?: number } = {},
  ): string {
    const { settled = 0, key, type = 'buy', expires } = more
    const command = {
      client,
      n,
      settled,
      wants: 'reply' as const,
      ...(key !== undefined && { key }),
      ...(expires !== undefined && { expires }),
    }
    this.step({ command, input: { kind: 'message', path: '', event: event(type) } })
    return askIdOf(command)
  }

  answer(ask: string, value: Json = 'done'): void {
    this.step(replied(ask, value))
  }

  look(client: string, n: number, key?: string, sent = event('add')): string {
    const known = this.settlement.look({ client, n }, key, sent)
    if (known.kind === 'refused') return known.error.code
    return known.kind === 'answered' && known.answer.ok ? `answered ${known.answer.value}` : known.kind
  }

  replyTo(type: string, to: 'cause' | 'oldest' | 'all', ask?: string, askType?: string): readonly string[] {
    const cause = { ...(ask !== undefined && { ask }), ...(askType !== undefined && { askType }) }
    return this.settlement.asksFor(type, to, cause, this.at)
  }
}

describe('settlement/1: a command id is applied once', () => {
  test('a repeated command is answered from the record until it is settled', () => {
    const ledger = new Ledger()
    ledger.commit('c', 1)
    ledger.commit('c', 3)
    expect([1, 2, 3].map((n) => ledger.look('c', n))).toEqual(['answered 1', 'new', 'answered 2'])
    ledger.commit('c', 4, { settled: 1 })
    expect([2, 3, 4].map((n) => ledger.look('c', n))).toEqual(['new', 'answered 2', 'answered 3'])
  })

  test('a late copy of a settled command is not a new one', () => {
    const ledger = new Ledger()
    ledger.commit('c', 1)
    ledger.commit('c', 2, { settled: 1 })
    expect(ledger.look('c', 1)).toBe('Timeout')
    expect(ledger.look('other', 1)).toBe('new')
  })

  test('a copy of an ask whose asker gave up is not a new command, whatever happens in between', () => {
    const ledger = new Ledger()
    ledger.ask('c', 1, { expires: ledger.at + 1_000 })
    ledger.at += 2_000
    ledger.step()
    expect(ledger.look('c', 1)).toBe('open')
    ledger.commit('c', 2, { settled: 1 })
    expect(ledger.look('c', 1)).toBe('Timeout')
  })

  test('an answer to what its client has settled is not kept', () => {
    const ledger = new Ledger()
    const ask = ledger.ask('c', 1)
    ledger.commit('c', 2, { settled: 1 })
    ledger.answer(ask)
    ledger.commit('c', 3, { settled: 2 })
    expect(ledger.settlement.state().clients['c']?.answers).toMatchObject([{ n: 3 }])
  })

  test('rejected and failed commands are remembered too', () => {
    const ledger = new Ledger()
    const error = { code: 'EventNotAccepted', message: 'no', retryable: false, applied: 'no' } as const
    const answer: Answer = { ok: false, error, step: 'a/b#1:1' }
    const command = { client: 'c', n: 1, settled: 0, wants: 'reply' } as const
    ledger.step({ command, outcome: 'rejected', error, answers: [{ ask: 'c:1', refused: true }] })
    expect(ledger.settlement.look({ client: 'c', n: 1 }, undefined, event('add'))).toMatchObject({
      kind: 'answered',
      answer,
    })
    expect(ledger.settlement.asks).toEqual([])
  })

  test('names with colons, or of numbers, or of prototypes, are names like any other', () => {
    const ledger = new Ledger()
    for (const client of ['order/a:b', '17', '4', '__proto__', 'constructor']) ledger.commit(client, 1)
    for (const client of ['order/a:b', '17', '4', '__proto__', 'constructor']) {
      expect(ledger.look(client, 1)).toMatch(/^answered/)
      expect(ledger.look(client, 2)).toBe('new')
    }
  })
})

describe('settlement/2: what is remembered is bounded', () => {
  test('answers and open asks count; a command that settles earlier ones makes room for itself', () => {
    const { settlement } = new Ledger()
    for (let n = 1; n <= ANSWERS_PER_CLIENT; n++) {
      const command = { client: 'c', n, settled: 0, wants: 'reply' } as const
      const answers = n % 2 === 0 ? [{ ask: `c:${n}` }] : []
      const input = { kind: 'message', path: '', event: event('buy') } as const
      const cause = { causation: 'c', correlation: 'r' }
      settlement.apply({ seq: n, at: 1, input, cause, command, answers, outcome: 'applied' }, `a/b#1:${n}`)
    }
    expect(settlement.outstanding({ client: 'c', settled: 0 })).toBe(ANSWERS_PER_CLIENT)
    expect(settlement.outstanding({ client: 'c', settled: ANSWERS_PER_CLIENT })).toBe(ANSWERS_PER_CLIENT / 2)
    expect(settlement.outstanding({ client: 'other', settled: 0 })).toBe(0)
  })

  test('a client silent for 24 h is forgotten, one with an open ask is not', () => {
    const ledger = new Ledger()
    ledger.commit('silent', 1)
    const ask = ledger.ask('waiting', 1)
    ledger.at += CLIENT_MS
    ledger.step()
    expect(ledger.look('silent', 1)).toBe('answered 1')
    ledger.at += 1
    ledger.step()
    expect(ledger.look('silent', 1)).toBe('new')
    expect(ledger.look('waiting', 1)).toBe('open')
    ledger.answer(ask)
    expect(ledger.look('waiting', 1)).toBe('answered done')
  })

  test('an ask that nobody waits for is forgotten 24 h later', () => {
    const ledger = new Ledger()
    ledger.ask('c', 1, { expires: ledger.at + HOUR })
    ledger.at += HOUR + CLIENT_MS
    ledger.step()
    expect(ledger.settlement.asks).toHaveLength(1)
    ledger.at += 1
    ledger.step()
    expect(ledger.settlement.state()).toMatchObject({ asks: [], clients: {} })
  })
})

describe('settlement/3: an idempotency key names a command across clients', () => {
  test('for 24 h; another payload under it is refused', () => {
    const ledger = new Ledger()
    ledger.commit('c', 1, { key: 'k', event: event('add', 1) })
    expect(ledger.look('d', 9, 'k', event('add', 1))).toBe('answered 1')
    expect(ledger.look('d', 9, 'k', event('add', 2))).toBe('IdempotencyMismatch')
    expect(ledger.look('d', 9, 'other', event('add', 2))).toBe('new')
    ledger.at += KEY_MS
    ledger.step()
    expect(ledger.look('d', 9, 'k', event('add', 1))).toBe('answered 1')
    ledger.at += 1
    ledger.step()
    expect(ledger.look('d', 9, 'k', event('add', 2))).toBe('new')
  })

  test('the order of keys in the payload does not matter', () => {
    const ledger = new Ledger()
    ledger.commit('c', 1, { key: 'k', event: { type: 'add', a: 1, b: 2 } })
    expect(ledger.look('d', 1, 'k', { b: 2, a: 1, type: 'add' })).toBe('answered 1')
  })

  test('whoever comes with the key while the ask is open is attached to it, even after the first asker gave up', () => {
    const ledger = new Ledger()
    const ask = ledger.ask('c', 1, { key: 'k', expires: ledger.at + 1_000 })
    ledger.at += 5_000
    ledger.step()
    ledger.commit('c', 2, { settled: 1 })
    expect(ledger.settlement.look({ client: 'd', n: 1 }, 'k', event('buy'))).toEqual({ kind: 'open', ask })
    ledger.answer(ask)
    expect(ledger.look('d', 1, 'k', event('buy'))).toBe('answered done')
  })
})

describe('settlement/4: which ask a reply answers', () => {
  test('cause: the ask at the root of the own chain, wherever it stands', () => {
    const ledger = new Ledger()
    ledger.ask('c', 1)
    const second = ledger.ask('c', 2)
    expect(ledger.replyTo('buy', 'cause', second, 'buy')).toEqual([second])
  })

  test('cause: the oldest of the type when the chain began with no ask, or with one of another type', () => {
    const ledger = new Ledger()
    const first = ledger.ask('c', 1)
    const other = ledger.ask('c', 2, { type: 'release' })
    ledger.ask('c', 3)
    expect(ledger.replyTo('buy', 'cause')).toEqual([first])
    expect(ledger.replyTo('buy', 'cause', other, 'release')).toEqual([first])
    ledger.answer(other)
    expect(ledger.replyTo('buy', 'cause', other, 'release')).toEqual([first])
  })

  test('cause: an ask that was answered or given up leaves its reply to nobody else', () => {
    const ledger = new Ledger()
    const first = ledger.ask('c', 1, { expires: ledger.at + 10 })
    ledger.at += 20
    const second = ledger.ask('c', 2, { settled: 1 })
    ledger.step()
    expect(ledger.settlement.asks.map((ask) => ask.id)).toEqual([second])
    expect(ledger.replyTo('buy', 'cause', first, 'buy')).toEqual([])
    ledger.answer(second)
    ledger.ask('c', 3)
    expect(ledger.replyTo('buy', 'cause', second, 'buy')).toEqual([])
  })

  test('oldest and all: open ones of the type in order; one that nobody waits for is not the oldest', () => {
    const ledger = new Ledger()
    const gone = ledger.ask('c', 1, { expires: ledger.at + 10 })
    const [first, second] = [ledger.ask('d', 1), ledger.ask('c', 2)]
    ledger.ask('d', 2, { type: 'sell' })
    expect(ledger.replyTo('buy', 'oldest', second, 'buy')).toEqual([gone])
    ledger.at += 11
    expect(ledger.replyTo('buy', 'oldest')).toEqual([first])
    expect(ledger.replyTo('buy', 'all')).toEqual([gone, first, second])
    expect(ledger.replyTo('nothing', 'all')).toEqual([])
    expect(ledger.settlement.waiting(ledger.at)).toBe(3)
  })
})

describe('settlement/5: a send stays open until its receiver has committed it', () => {
  test('numbered for ever upwards, also over a restart', () => {
    const ledger = new Ledger()
    const send = (to: string) => ({ to, event: event('note') })
    ledger.step({ made: { sends: [send('x/1'), send('x/2')] } })
    ledger.step({ delivered: [1] })
    ledger.step({ made: { sends: [send('x/1')] }, outcome: 'error' })
    ledger.step({ made: { sends: [send('x/1')] }, cause: { causation: 'c', correlation: 'other' } })
    expect(ledger.settlement.sends.map(({ n, to, step, correlation }) => [n, to, step, correlation])).toEqual([
      [2, 'x/2', 'a/b#1:1', 'r'],
      [3, 'x/1', 'a/b#1:4', 'other'],
    ])
    ledger.step({ delivered: [2, 3, 99] })
    expect(ledger.settlement.sends).toEqual([])
    expect(ledger.settlement.state().sendCount).toBe(3)
  })
})

describe('the end of an actor', () => {
  test.each([
    [{ ended: { kind: 'done', output: 7 } }, 'ActorDone', { output: 7 }],
    [{ ended: { kind: 'stopped' } }, 'ActorStopped', {}],
    [{ outcome: 'error', supervision: { directive: 'stop', failures: 1 } }, 'ActorStopped', {}],
    [{ outcome: 'error', supervision: { directive: 'quarantine', failures: 4 } }, 'ActorQuarantined', {}],
  ] satisfies [Partial<Step>, string, object][])('%j is told as %s', (step, code, details) => {
    const ledger = new Ledger()
    expect(ledger.settlement.endedWith('a/b')).toBeUndefined()
    ledger.step(step)
    expect(ledger.settlement.endedWith('a/b')).toMatchObject({ code, applied: 'no', details })
  })

  test('only as many failures are kept as the decision counted', () => {
    const ledger = new Ledger()
    for (const failures of [1, 2, 3, 1, 2]) {
      ledger.at += 10
      ledger.step({ outcome: 'error', supervision: { directive: 'restart', failures } })
    }
    expect(ledger.settlement.failures).toEqual([1_040, 1_050])
  })
})

/** The same promises, written as directly as possible: every command ever seen, nothing forgotten before its time. */
class Naive {
  readonly commands: { client: string; n: number; key?: string; payload: string; at: number; answer?: Json }[] = []
  readonly settled = new Map<string, number>()
  readonly heard = new Map<string, number>()

  known(client: string, n: number, key: string | undefined, payload: string, at: number): string {
    const same = this.commands.find((c) => c.client === client && c.n === n)
    if (same !== undefined && !this.#over(client, n))
      return same.answer === undefined ? 'open' : `answered ${same.answer}`
    if (key !== undefined) {
      const keyed = this.commands.findLast((c) => c.key === key && c.at + KEY_MS >= at)
      if (keyed !== undefined && keyed.payload !== payload) return 'IdempotencyMismatch'
      if (keyed !== undefined) return keyed.answer === undefined ? 'open' : `answered ${keyed.answer}`
    }
    return this.#over(client, n) ? 'Timeout' : 'new'
  }

  #over = (client: string, n: number) => n <= (this.settled.get(client) ?? 0)
}

describe('against a naive model', () => {
  test.each([1, 2, 3, 4, 5, 6])(
    'a random history of commands, repeats, keys, answers and settled marks (seed %i)',
    (seed) => {
      const random: Random = randomOf(seededEntropy(seed))
      const ledger = new Ledger()
      const naive = new Naive()
      const next = new Map<string, number>()
      for (let i = 0; i < 400; i++) {
        ledger.at += random.int(60_000)
        const client = random.pick(['a', 'b', 'c:d'])
        const used = next.get(client) ?? 0
        // Clients repeat only what they have not settled, plus copies that arrive late.
        const n = random.int(3) === 0 ? used + 1 : 1 + random.int(used + 1)
        const key = random.int(3) === 0 ? `k${random.int(4)}` : undefined
        const payload = event('buy', random.int(2))
        const told = ledger.look(client, n, key, payload)
        const open = naive.commands.find((c) => c.client === client && c.n === n)
        // An ask that is still open stays known beyond its settled mark: the ledger may know more, never less.
        const expected = naive.known(client, n, key, JSON.stringify(payload), ledger.at)
        if (!(told === 'open' && open !== undefined && open.answer === undefined)) expect(told).toBe(expected)
        if (told === 'new') {
          next.set(client, Math.max(used, n))
          const openNow = naive.commands.filter((c) => c.client === client && c.answer === undefined).map((c) => c.n)
          const settled = Math.max(0, Math.min(n, ...openNow) - 1 - random.int(3))
          const answered = random.int(2) === 0
          if (answered) ledger.commit(client, n, { settled, event: payload, ...(key !== undefined && { key }) })
          else {
            const command = { client, n, settled, wants: 'reply' as const, ...(key !== undefined && { key }) }
            ledger.step({ command, input: { kind: 'message', path: '', event: payload } })
          }
          naive.settled.set(client, Math.max(settled, naive.settled.get(client) ?? 0))
          const command = {
            client,
            n,
            payload: JSON.stringify(payload),
            at: ledger.at,
            ...(key !== undefined && { key }),
          }
          naive.commands.push(answered ? { ...command, answer: ledger.seq } : command)
        }
        const waiting = naive.commands.filter((c) => c.answer === undefined)
        if (waiting.length > 0 && random.int(3) === 0) {
          const chosen = random.pick(waiting)
          chosen.answer = `late ${ledger.seq + 1}`
          ledger.answer(askIdOf(chosen), chosen.answer)
        }
        expect(ledger.settlement.asks.map((ask) => ask.id)).toEqual(
          naive.commands.filter((c) => c.answer === undefined).map(askIdOf),
        )
      }
      expect(naive.commands.length).toBeGreaterThan(30)
    },
  )
})
