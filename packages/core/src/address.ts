/**
 * Names and their places on the wire: actor addresses, subject tokens, shards, subjects.
 *
 * 1. Every id becomes exactly one subject token through `token`, and back through `fromToken`; no other code builds tokens.
 * 2. The shard of an address never changes: the first 32 bits of SHA-256 of `type/key`, modulo the shard count (ADR 0002).
 */
import { createHash } from 'node:crypto'
import { InvalidAddress } from './errors.ts'

/** `type/key`. The type is a protocol's name; the key is any non-empty text. */
export type Address = `${string}/${string}`

const TYPE = /^[a-z][a-z0-9-]{0,63}$/
/** Longest key in UTF-8 bytes: NATS subjects should stay below 256 characters in all. */
export const KEY_BYTES = 128

export function addressOf(type: string, key: string): Address {
  if (!TYPE.test(type)) throw new InvalidAddress(`type '${type}' must match ${TYPE.source}`)
  // Without types a number or nothing may come.
  if (typeof key !== 'string') throw new InvalidAddress(`a key of type '${type}' must be text; it is ${String(key)}`)
  const size = Buffer.byteLength(key)
  if (size === 0 || size > KEY_BYTES) {
    throw new InvalidAddress(`key of type '${type}' has ${size} bytes; 1 to ${KEY_BYTES} are allowed`)
  }
  if (!key.isWellFormed()) throw new InvalidAddress(`key of type '${type}' holds half a surrogate pair`)
  return `${type}/${key}`
}

export function splitAddress(address: string): { readonly type: string; readonly key: string } {
  const cut = address.indexOf('/')
  if (cut < 1) throw new InvalidAddress(`'${address}' is not of the form type/key`)
  return { type: address.slice(0, cut), key: address.slice(cut + 1) }
}

/** Letters, digits, `_` and `-` stay; every other UTF-8 byte becomes `=XX`. Valid in subjects and in store keys. */
export function token(id: string): string {
  if (/^[A-Za-z0-9_-]+$/.test(id)) return id
  let text = ''
  for (const byte of Buffer.from(id, 'utf8')) {
    const char = String.fromCharCode(byte)
    text += byte < 128 && /[A-Za-z0-9_-]/.test(char) ? char : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}

/** @throws InvalidAddress for text that `token` would not have made: one id, one token */
export function fromToken(text: string): string {
  if (/^[A-Za-z0-9_-]*$/.test(text)) return text
  const bytes: number[] = []
  for (let i = 0; i < text.length; i++) {
    const hex = text.slice(i + 1, i + 3)
    if (text[i] !== '=') bytes.push(text.charCodeAt(i))
    else if (/^[0-9A-F]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16))
      i += 2
    } else throw new InvalidAddress(`'${text}' is not a token of ours: '=' must be followed by two hex digits`)
  }
  const id = Buffer.from(bytes).toString('utf8')
  if (token(id) !== text)
    throw new InvalidAddress(`'${text}' is not a token of ours: '${id}' is written '${token(id)}'`)
  return id
}

/** A part of a placement group, for example `main-17`. */
export type ShardName = `${string}-${number}`

export function shardOf(address: Address, group: string, shards: number): ShardName {
  return `${group}-${createHash('sha256').update(address).digest().readUInt32BE(0) % shards}`
}

/** Every subject of one namespace; `docs/protocol.md` says who may publish and subscribe where. */
export class Subjects {
  readonly #root: string

  constructor(namespace: string) {
    this.#root = `tr.${token(namespace)}`
  }

  #of(kind: string, shard: ShardName, address: Address): string {
    const { type, key } = splitAddress(address)
    return `${this.#root}.${kind}.${shard}.${token(type)}.${token(key)}`
  }

  command = (shard: ShardName, address: Address): string => this.#of('c', shard, address)
  commandsOf = (shard: ShardName): string => `${this.#root}.c.${shard}.>`
  /** Commands from actors: only the node role may publish here, so a sender named in them is believed. */
  internal = (shard: ShardName, address: Address): string => this.#of('i', shard, address)
  internalsOf = (shard: ShardName): string => `${this.#root}.i.${shard}.>`
  journal = (shard: ShardName, address: Address): string => this.#of('j', shard, address)
  journalOf = (shard: ShardName): string => `${this.#root}.j.${shard}.>`
  /** The journal of one actor for readers that do not know its shard. */
  history = (address: Address): string => {
    const { type, key } = splitAddress(address)
    return `${this.#root}.j.*.${token(type)}.${token(key)}`
  }
  /** The whole journal of the namespace. */
  journals = (): string => `${this.#root}.j.>`
  mail = (shard: ShardName, address: Address): string => this.#of('m', shard, address)
  /** All mail and wake-ups that have fired; schedules lie one token deeper. */
  readonly waiting = (): readonly [string, string] => [`${this.#root}.m.*.*.*`, `${this.#root}.t.*.*.*`]
  /** Where a wake-up of the actor fires. */
  wakeUp = (shard: ShardName, address: Address): string => this.#of('t', shard, address)
  schedule = (shard: ShardName, address: Address, id: string): string => `${this.#of('t', shard, address)}.${token(id)}`
  /** "Has mail": notices of what is stored for a shard. */
  notices = (shard: ShardName): string => `${this.#root}.w.${shard}`
  deadLetters = (type?: string): string => `${this.#root}.d.${type === undefined ? '*' : token(type)}`
  /** What mail, dead letters and their notices lie on, for whoever keeps them. */
  mailPatterns = () => ({
    mail: [`${this.#root}.m.>`, `${this.#root}.t.>`] as const,
    noticed: { from: `${this.#root}.*.*.*.*`, to: `${this.#root}.w` },
    dead: `${this.#root}.d.*`,
  })
  observation = (address: Address): string => {
    const { type, key } = splitAddress(address)
    return `${this.#root}.o.${token(type)}.${token(key)}`
  }
  /** Answered by one node, by name; `any` is a queue group of all nodes. */
  node = (node: string, verb: string): string => `${this.#root}.n.${token(node)}.${verb}`
  /** Any worker of a pool (queue group), for stock clients. */
  pool = (pool: string, verb: string): string => `${this.#root}.py.${token(pool)}.${verb}`
  worker = (worker: string, verb: string): string => `${this.#root}.pw.${token(worker)}.${verb}`
  /** Hello and heartbeat of one worker; `*` watches a whole pool. */
  presence = (pool: string, worker: string): string =>
    `${this.#root}.ph.${token(pool)}.${worker === '*' ? '*' : token(worker)}`
  llm = (verb: string): string => `${this.#root}.llm.${verb}`
  readonly inboxRoot = '_INBOX'

  /** The shard in a command, journal, mail or wake-up subject. */
  shardIn = (subject: string): ShardName => {
    const shard = subject.split('.')[3] ?? ''
    const cut = shard.lastIndexOf('-')
    return `${shard.slice(0, cut)}-${Number(shard.slice(cut + 1))}`
  }
  /** Whether it is a wake-up that has fired. */
  isWakeUp = (subject: string): boolean => subject.startsWith(`${this.#root}.t.`)

  /** The address of a command, journal, mail or wake-up subject. */
  addressIn = (subject: string): Address => {
    const parts = subject.split('.')
    if (parts.length !== 6) throw new InvalidAddress(`'${subject}' does not end in one type and one key`)
    return addressOf(fromToken(parts[4] ?? ''), fromToken(parts[5] ?? ''))
  }
}
