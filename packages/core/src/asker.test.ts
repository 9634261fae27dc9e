import { beforeEach, describe, expect, test } from 'vitest'
import { Asker, type Question, type Transport } from './asker.ts'
import { seededEntropy } from './entropy.ts'
import type { Envelope, WireAnswer } from './envelope.ts'
import { Disconnected, EventNotAccepted, MessageTooLarge, Moved, type TroupeError, toWire } from './errors.ts'
import { type ManualClock, manualClock } from './testing/manual-clock.ts'

interface Sent {
  readonly envelope: Extract<Envelope, { kind: 'event' }>
  readonly tell: (answer: WireAnswer | 'no-responders') => void
  closed: boolean
}

let clock: ManualClock
let sent: Sent[]
let transport: Transport & { connected: boolean; fails?: Error }
let asker: Asker
let doubted: string[]

beforeEach(() => {
  clock = manualClock()
  sent = []
  doubted = []
  transport = {
    connected: true,
    doubt: (address) => doubted.push(address),
    send: (envelope, tell) => {
      if (transport.fails !== undefined) throw transport.fails
      if (envelope.kind !== 'event') throw new Error('only events are asked')
      const entry: Sent = { envelope, tell, closed: false }
      sent.push(entry)
      return { close: () => (entry.closed = true) }
    },
  }
  asker = new Asker(transport, clock, seededEntropy(1))
})

const ok = (value: string): WireAnswer => ({ v: 1, ok: true, value })
const failed = (error: TroupeError): WireAnswer => ({ v: 1, ok: false, error: toWire(error) })

/** An ask under way, and how it ended: its value, or the code of its error. */
function ask(more: Partial<Question> = {}): { ended: unknown } {
  const told: { ended: unknown } = { ended: undefined }
  const cause = { correlation: 'c', causation: 'c' }
  asker.ask({ to: 'counter/a', event: { type: 'add' }, cause, timeoutMs: 5_000, ...more }).then(
    (value) => {
      told.ended = value
    },
    (error: unknown) => {
      told.ended = typeof error === 'object' && error !== null && 'code' in error ? error.code : error
    },
  )
  return told
}

const quiet = () => new Promise(setImmediate)
async function advance(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 25) {
    clock.advance(Math.min(25, left))
    await quiet()
  }
}
const commands = () => sent.map(({ envelope }) => envelope.command)

describe('asker/1: one command keeps one id through every resend', () => {
  test('silence: sent again after half a second, then ever later, with what is left of the time', async () => {
    const told = ask({ key: 'k' })
    await advance(2_100)
    expect(sent).toHaveLength(4)
    expect(new Set(sent.map(({ envelope }) => JSON.stringify(envelope.command))).size).toBe(1)
    expect(sent.map(({ envelope }) => envelope.remainingMs)).toEqual([5_000, 4_500, 4_000, 3_000])
    expect(sent.map(({ envelope }) => envelope.key)).toEqual(['k', 'k', 'k', 'k'])
    expect(sent.map(({ closed }) => closed)).toEqual([true, true, true, false])
    sent[3]?.tell(ok('late'))
    await quiet()
    expect([told.ended, sent[3]?.closed, sent.length]).toEqual(['late', true, 4])
    await advance(5_000)
    expect(sent).toHaveLength(4)
  })

  test('a tenth of a second of silence makes sure that somebody is there, once for each copy', async () => {
    ask()
    await advance(75)
    expect(doubted).toEqual([])
    await advance(325)
    expect(doubted).toHaveLength(1)
    await advance(400)
    expect([doubted.length, sent.length]).toEqual([2, 2])
    sent.at(-1)?.tell('no-responders')
    await advance(100)
    expect(doubted).toHaveLength(2)
  })

  test('asker/4: what waits for a shard that a node has opened goes out at once, the rest does not', async () => {
    const told = ask()
    await advance(200)
    asker.wake(() => false)
    expect(sent).toHaveLength(1)
    asker.wake((address) => address === sent[0]?.envelope.to)
    expect(sent.map(({ envelope }) => envelope.remainingMs)).toEqual([5_000, 4_800])
    sent[1]?.tell(ok('from the next owner'))
    await quiet()
    expect(told.ended).toBe('from the next owner')
    asker.wake(() => true)
    expect(sent).toHaveLength(2)
  })

  test('an answer to an earlier copy counts as well', async () => {
    const told = ask()
    await advance(1_100)
    sent[0]?.tell(ok('from the first'))
    await quiet()
    expect(told.ended).toBe('from the first')
  })
})

describe('asker/2: "not here, ask again" is not told to the caller', () => {
  test('Moved, nobody there, and the like: again with growing pauses', async () => {
    const told = ask()
    const times: number[] = []
    for (let seen = 0; clock.monotonic() < 3_000; await advance(25)) {
      for (const one of sent.slice(seen)) {
        times.push(clock.monotonic())
        one.tell(times.length % 2 === 0 ? 'no-responders' : failed(new Moved('not here')))
      }
      seen = sent.length
    }
    expect(times.map((at, i) => at - (times[i - 1] ?? 0))).toEqual([
      0, 50, 50, 50, 50, 50, 75, 100, 125, 150, 175, 225, 275, 350, 450, 550,
    ])
    sent.at(-1)?.tell(ok('found'))
    await advance(2_100)
    sent.at(-1)?.tell(ok('found'))
    await quiet()
    expect(told.ended).toBe('found')
  })

  test('any other error is told at once, with its fields', async () => {
    const told = ask()
    sent[0]?.tell(failed(new EventNotAccepted('no', { reason: 'state' })))
    await quiet()
    expect(told.ended).toBe('EventNotAccepted')
  })
})

describe('asker/3: settled never covers a command that may still be sent', () => {
  test('it is the command before the oldest one in flight, per receiver', async () => {
    ask()
    ask({ to: 'counter/b' })
    ask()
    expect(commands().map((c) => [c?.n, c?.settled])).toEqual([
      [1, 0],
      [2, 1],
      [3, 0],
    ])
    sent[0]?.tell(ok('1'))
    await quiet()
    ask()
    sent[2]?.tell(ok('3'))
    sent[3]?.tell(ok('4'))
    await quiet()
    ask()
    expect(
      commands()
        .map((c) => [c?.n, c?.settled])
        .slice(3),
    ).toEqual([
      [4, 2],
      [5, 4],
    ])
  })

  test('a command that timed out or was aborted is settled: it is never sent again', async () => {
    const abort = new AbortController()
    ask({ timeoutMs: 100 })
    const aborted = ask({ signal: abort.signal })
    abort.abort(new Error('enough'))
    await advance(200)
    expect(aborted.ended).toMatchObject({ message: 'enough' })
    ask()
    expect(commands().at(-1)).toMatchObject({ n: 3, settled: 2 })
    await advance(2_000)
    expect(sent.filter(({ envelope }) => (envelope.command?.n ?? 0) < 3)).toHaveLength(2)
  })
})

describe('asker/4: a deadline tells Timeout, applied unknown', () => {
  test('not before it, whatever was answered meanwhile', async () => {
    const told = ask({ timeoutMs: 1_000 })
    sent[0]?.tell(failed(new Moved('elsewhere')))
    await advance(975)
    expect(told.ended).toBeUndefined()
    await advance(25)
    expect(told.ended).toBe('Timeout')
    await expect(
      Promise.race([
        asker.ask({ to: 'a/b', event: null, cause: { correlation: 'c', causation: 'c' }, timeoutMs: 1 }),
        advance(50),
      ]),
    ).rejects.toMatchObject({
      code: 'Timeout',
      applied: 'unknown',
      retryable: true,
      details: { to: 'a/b', timeoutMs: 1 },
    })
  })
})

describe('what cannot be sent', () => {
  test('without a connection nothing is sent and the caller learns it', async () => {
    transport.connected = false
    const told = ask()
    await quiet()
    expect([told.ended, sent.length]).toEqual(['Disconnected', 0])
  })

  test('a connection that is lost later is waited for', async () => {
    const told = ask()
    transport.connected = false
    await advance(2_000)
    expect(sent).toHaveLength(1)
    transport.connected = true
    await advance(1_000)
    expect(sent).toHaveLength(2)
    transport.fails = new Disconnected('in this very moment')
    await advance(1_100)
    delete transport.fails
    await advance(800)
    expect(told.ended).toBeUndefined()
    sent.at(-1)?.tell(ok('back'))
    await quiet()
    expect(told.ended).toBe('back')
  })

  test('a message that is too large is refused once', async () => {
    transport.fails = new MessageTooLarge('too large')
    const told = ask()
    await quiet()
    expect(told.ended).toBe('MessageTooLarge')
    await advance(3_000)
    expect(clock.waiting).toBe(0)
  })

  test('an aborted signal ends the ask, or keeps it from beginning; no listener stays', async () => {
    const abort = new AbortController()
    let listeners = 0
    const { signal } = abort
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)]
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners += 1
      add(...args)
    }
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners -= 1
      remove(...args)
    }
    ask({ signal })
    sent[0]?.tell(ok('x'))
    await quiet()
    expect(listeners).toBe(0)
    abort.abort(new Error('stop'))
    const late = ask({ signal })
    await quiet()
    expect(late.ended).toMatchObject({ message: 'stop' })
    expect(sent).toHaveLength(1)
  })
})

test('stop ends what waits, and nothing begins after it', async () => {
  const told = ask()
  asker.stop()
  const late = ask()
  await quiet()
  expect([told.ended, late.ended, sent[0]?.closed, clock.waiting]).toEqual(['SystemStopped', 'SystemStopped', true, 0])
})

test('an actor of this node may answer before `send` has returned', async () => {
  const direct: Transport = {
    connected: true,
    doubt: () => {},
    send: (_, tell) => {
      tell(ok('at once'))
      return { close: () => {} }
    },
  }
  const now = new Asker(direct, clock, seededEntropy(2))
  const answer = now.ask({ to: 'a/b', event: null, cause: { correlation: 'c', causation: 'c' }, timeoutMs: 10 })
  expect(await answer).toBe('at once')
})

test.each([Number.NaN, -1, Number.POSITIVE_INFINITY, 1e18])(
  'a timeout of %d is refused, and nothing is sent',
  async (timeoutMs) => {
    const told = ask({ timeoutMs })
    await quiet()
    expect(told.ended).toBeInstanceOf(RangeError)
    expect(String(told.ended)).toContain(`timeoutMs is ${timeoutMs}`)
    expect(sent).toHaveLength(0)
  },
)
