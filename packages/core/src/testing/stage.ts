/**
 * One resident actor on a manual clock and a scripted journal, without a cluster around it: what the tests of the turn need.
 *
 * 1. Nothing moves by itself: `quiet` lets promises settle, `advance` moves the time.
 * 2. Two stages on one journal are two nodes.
 */
import type { AnyActorDef } from '../actor.ts'
import { type Address, addressOf, Subjects } from '../address.ts'
import { decode, type Json } from '../codec.ts'
import type { DeadLetter } from '../dead-letter.ts'
import { seededEntropy } from '../entropy.ts'
import type { Envelope, WireAnswer } from '../envelope.ts'
import type { TroupeError } from '../errors.ts'
import { type Letter, packLetters } from '../letter.ts'
import { logicHash } from '../logic-hash.ts'
import { memory } from '../memory/backend.ts'
import type { Connection, Entropy, Journal } from '../ports.ts'
import type { ResidentMail } from '../resident-options.ts'
import type { LogTrim } from '../retention.ts'
import type { EffectRuntime } from '../runtime.ts'
import type { TreeSeal } from '../seal.ts'
import type { OpenSend } from '../settlement.ts'
import { decodeRecord, type JournalRecord } from '../step.ts'
import type { Order } from '../supervision.ts'
import { Resident } from '../turn.ts'
import { type ManualClock, manualClock } from './manual-clock.ts'
import { type ScriptedJournal, scriptedJournal } from './scripted-journal.ts'

export interface StageOptions {
  readonly def: AnyActorDef
  readonly key?: string
  readonly epoch?: number
  readonly connection: Connection
  readonly clock: ManualClock
  readonly seed?: number | string
  readonly logicHash?: string
  readonly servedBy?: (logic: string) => readonly string[]
  readonly trim?: LogTrim
  readonly seal?: TreeSeal
  /** Replaces parts of the journal below the script. */
  readonly journal?: Partial<Journal>
}

/** What was told to one asker. */
export interface Told {
  readonly answers: WireAnswer[]
  /** The value of the only answer, decoded; the error's code; undefined while there is none. */
  readonly outcome: unknown
}

export interface World {
  readonly connection: Connection
  readonly clock: ManualClock
}

export async function world(): Promise<World> {
  const clock = manualClock(1_700_000_000_000)
  return { clock, connection: await memory().connect({ name: 'stage', clock, entropy: seededEntropy('world') }) }
}

export class Stage {
  readonly address: Address
  readonly subject: string
  readonly clock: ManualClock
  readonly journal: ScriptedJournal
  readonly resident: Resident
  readonly emitted: Json[] = []
  readonly sends: (OpenSend & { readonly done: (stored: boolean) => void })[] = []
  readonly log: { readonly text: string; readonly data: object }[] = []
  /** Positions of which the actor has said that it has the mail up to there. */
  readonly consumed: number[] = []
  readonly dead: DeadLetter[] = []
  /** What storing a dead letter waits for. */
  burial: Promise<boolean> = Promise.resolve(true)
  readonly #mail: ResidentMail
  lost: { readonly code: string; readonly fenced: boolean } | undefined
  readonly #n = new Map<string, number>()
  #posts = 0

  constructor({ def, key = 'k', epoch = 1, connection, clock, seed = epoch, journal = {}, ...more }: StageOptions) {
    const entropy = seededEntropy(seed)
    const subjects = new Subjects(connection.namespace)
    this.address = addressOf(def.protocol.type, key)
    this.subject = subjects.journal('main-0', this.address)
    this.clock = clock
    this.journal = scriptedJournal(connection.journal, journal)
    this.#mail = {
      mail: connection.mail,
      subject: subjects.mail('main-0', this.address),
      onConsumed: (position) => this.consumed.push(position),
      bury: (letter) => {
        this.dead.push(letter)
        return this.burial
      },
    }
    this.resident = new Resident({
      mail: this.#mail,
      address: this.address,
      def,
      logicHash: more.logicHash ?? logicHash(def),
      epoch,
      subject: this.subject,
      activation: {
        namespace: 'default',
        node: `node-${epoch}`,
        pid: 1,
        at: clock.now(),
        app: 'a',
        runtime: 'r',
        xstate: 'x',
        nodejs: 'n',
      },
      journal: this.journal,
      clock,
      entropy,
      runtime: runtimeOn(connection, subjects, clock, entropy),
      onEmit: (event) => this.emitted.push(event),
      onSend: (send) => new Promise((done) => this.sends.push({ ...send, done })),
      ...(more.seal !== undefined && { seal: more.seal }),
      ...(more.trim !== undefined && { trim: more.trim }),
      ...(more.servedBy !== undefined && { servedBy: more.servedBy }),
      onLog: (text, data) => this.log.push({ text, data }),
      onLost: (why: TroupeError, fenced) => {
        this.lost = { code: why.code, fenced }
      },
    })
  }

  async activate(): Promise<this> {
    void this.resident.activate({ correlation: 'first', causation: 'client:first' })
    await this.quiet()
    return this
  }

  /** An ask of `client`; the same `n` again is a repeated command. */
  ask(event: Json, more: Partial<Extract<Envelope, { kind: 'event' }>> & { client?: string; n?: number } = {}): Told {
    const { client = 'client', n = (this.#n.get(client) ?? 0) + 1, ...rest } = more
    this.#n.set(client, Math.max(n, this.#n.get(client) ?? 0))
    return this.tell(event, { command: { client, n, settled: 0 }, ...rest })
  }

  /** Stores one message of letters, as an outbox does, without telling the resident. */
  async post(letters: readonly Omit<Letter, 'cause'>[], id = `post-${++this.#posts}`): Promise<number> {
    const cause = { correlation: 'root', causation: 'client:root' }
    const bytes = packLetters(letters.map((letter) => ({ cause, ...letter })))
    const outcome = await this.#mail.mail.store(this.#mail.subject, bytes, {
      id: `${this.journal.appends.length}.${id}`,
    })
    if (outcome.kind !== 'stored') throw outcome.cause
    return outcome.position
  }

  /** A message that nobody remembers. */
  tell(event: Json, more: Partial<Extract<Envelope, { kind: 'event' }>> = {}): Told {
    const cause = { correlation: 'root', causation: 'client:root' }
    return this.#receive({ v: 1, kind: 'event', to: this.address, cause, event, ...more })
  }

  /** What a person orders. */
  order(order: Order, { client = 'operator', n, key }: { client?: string; n?: number; key?: string } = {}): Told {
    const next = n ?? (this.#n.get(client) ?? 0) + 1
    this.#n.set(client, next)
    const cause = { correlation: 'root', causation: 'operator:root' }
    const command = { client, n: next, settled: 0 }
    return this.#receive({ v: 1, kind: 'operator', to: this.address, cause, order, command, ...(key && { key }) })
  }

  look(fenced = false): Told {
    const cause = { correlation: 'root', causation: 'client:root' }
    return this.#receive({ v: 1, kind: 'view', to: this.address, cause, fenced })
  }

  #receive(envelope: Envelope): Told {
    const answers: WireAnswer[] = []
    const size = envelope.kind === 'event' ? JSON.stringify(envelope.event).length : 0
    this.resident.receive(envelope, (answer) => answers.push(answer), size)
    return {
      answers,
      get outcome() {
        const [answer] = answers
        if (answer === undefined) return undefined
        return answer.ok ? decode(answer.value ?? null) : answer.error.code
      },
    }
  }

  /** The context as readers see it. */
  async context(): Promise<unknown> {
    const told = this.look()
    await this.quiet()
    const [answer] = told.answers
    return answer?.ok ? Reflect.get(Object(decode(answer.value ?? null)), 'context') : answer?.error.code
  }

  /** Lets everything happen that needs no time. */
  async quiet(): Promise<void> {
    for (let i = 0; i < 12; i++) await new Promise(setImmediate)
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms)
    await this.quiet()
  }

  /** What the journal holds of this actor. */
  async records(): Promise<JournalRecord[]> {
    const records: JournalRecord[] = []
    for await (const entry of this.journal.read(this.subject)) records.push(decodeRecord(entry.bytes))
    return records
  }
}

/** Effects of these tests ask nobody. */
function runtimeOn(connection: Connection, subjects: Subjects, clock: ManualClock, entropy: Entropy): EffectRuntime {
  const alone = () => {
    throw new Error('a stage has no system around it')
  }
  const { namespace, bus } = connection
  return {
    namespace,
    node: 'stage',
    subjects,
    bus,
    clock,
    entropy,
    shared: alone,
    ask: alone,
  } as unknown as EffectRuntime
}
