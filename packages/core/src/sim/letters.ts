/**
 * The mail of a simulation as its server sees it: what was stored for whom, what was buried, what nobody has taken yet. What
 * became of each letter is compared with the log in `mail-check.ts`.
 */
import type { Address } from '../address.ts'
import { lettersIn, type ReceivedLetter } from '../letter.ts'
import type { MailEntry } from '../ports.ts'
import { askIdOf, type Step } from '../step.ts'

export interface StoredLetter {
  /** Sender, number and receiver: the same however often it was stored. */
  readonly id: string
  readonly to: Address
  readonly client: string
  readonly n: number
  readonly key: string | undefined
  readonly expiresAt: number | undefined
  readonly causation: string
  /** How many records the log had by then. */
  readonly records: number
}

/** A call of `deliver`. */
export interface Delivery {
  readonly id: string
  readonly to: Address
  ended?: { readonly stored: boolean; readonly applied: 'no' | 'unknown' }
}

export class Letters {
  /** The first copy of each. */
  readonly stored = new Map<string, StoredLetter>()
  /** Kept by the server until their time, which the wall clocks of their senders have said. */
  readonly planned = new Map<string, StoredLetter>()
  /** By letter: why it is dead. */
  readonly dead = new Map<string, string>()
  readonly deliveries: Delivery[] = []
  /** Letters that somebody was told to be stored in the place of dead ones. */
  readonly redriven = new Set<string>()
  readonly #taken = new Set<string>()
  readonly #keys = new Set<string>()

  arrived(to: Address, entry: MailEntry, streamId: string, records: number): void {
    note(this.stored, to, entry, streamId, records)
  }

  plannedFor(to: Address, entry: MailEntry, streamId: string, records: number): void {
    note(this.planned, to, entry, streamId, records)
  }

  buried(bytes: Uint8Array): void {
    const { to, command, reason } = JSON.parse(Buffer.from(bytes).toString())
    if (command !== undefined) this.dead.set(idOf(command, to), String(reason))
  }

  /** A step has this command. */
  took(actor: string, command: NonNullable<Step['command']>): void {
    this.#taken.add(idOf(command, actor))
    if (command.key !== undefined) this.#keys.add(`${actor} ${command.key}`)
  }

  /** Letters, of today or later, that are neither in the log, by themselves or by their key, nor buried. */
  get waiting(): readonly StoredLetter[] {
    const letters = new Map([...this.planned, ...this.stored])
    return [...letters.values()].filter(({ id, to, key }) => {
      const answered = key !== undefined && this.#keys.has(`${to} ${key}`)
      return !this.#taken.has(id) && !this.dead.has(id) && !answered
    })
  }
}

export function idOf(command: { readonly client: string; readonly n: number }, to: string): string {
  return `${askIdOf(command)} to ${to}`
}

function note(
  letters: Map<string, StoredLetter>,
  to: Address,
  entry: MailEntry,
  streamId: string,
  records: number,
): void {
  for (const { content } of lettersIn(entry, to, streamId)) {
    const letter = asStored(content, to, records)
    if (letter !== undefined && !letters.has(letter.id)) letters.set(letter.id, letter)
  }
}

function asStored(content: ReceivedLetter['content'], to: Address, records: number): StoredLetter | undefined {
  if ('unreadable' in content || content.command === undefined) return undefined
  const { command, key, cause, expiresAt } = content
  const { client, n } = command
  return { id: idOf(command, to), to, client, n, key, expiresAt, causation: cause.causation, records }
}
