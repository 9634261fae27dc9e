/**
 * Encrypted actor trees: what their records say is sealed under the tree's own key before it is appended, and opened when it is read.
 *
 * Owns the key of one tree while it is in use; a key store (`ports.ts`) keeps it.
 *
 * 1. Steps, state and the hash of the state are sealed (AES-256-GCM, a fresh nonce for each record). Who wrote it, when it was
 *    activated, how much is open and where the log begins stay readable: they lead readers and owners without the key.
 * 2. The chain runs over what is stored, so it is checked without the key, and holds when the key is gone.
 * 3. The hash that stays outside is keyed (HMAC): equal states do not show as equal hashes to whoever lacks the key.
 * 4. What stays outside is bound to what is inside: a record whose head was changed or that was moved to another place does not open.
 * 5. A destroyed key is never made again. The log of its tree then reads as erased, not as damaged.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'
import { type Address, splitAddress } from './address.ts'
import { ActorErased, LogDamaged, LogUnavailable, TroupeError } from './errors.ts'
import type { Entropy, KeyStore } from './ports.ts'
import {
  type DraftRecord,
  decodeRecord,
  encodeRecord,
  isRecord,
  type JournalRecord,
  KEYED_HASH_VERSION,
  ofToday,
} from './step.ts'

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
const SEALED = '"sealed":"'

export interface TreeSealOptions {
  readonly address: Address
  readonly keys: KeyStore
  readonly entropy: Entropy
  /** Whether new records are sealed; those that are there are opened anyway. */
  readonly seals: boolean
}

export class TreeSeal implements Opener {
  readonly #o: TreeSealOptions
  #key: Uint8Array | undefined

  constructor(options: TreeSealOptions) {
    this.#o = options
  }

  /**
   * Gets the key that the tree needs; a tree whose log is not sealed yet gets a fresh one.
   * @throws ActorErased; LogUnavailable when the log is sealed and the store knows no key
   */
  async prepare(newest: JournalRecord | undefined): Promise<void> {
    const { address, keys, entropy, seals } = this.#o
    const sealed = newest?.sealed !== undefined
    if (!seals && !sealed) return
    for (;;) {
      const found = await keys.find(address)
      if (found === 'destroyed') throw erased(address)
      if (found !== undefined) {
        this.#key = found
        return
      }
      if (sealed)
        throw new LogUnavailable(`the log of '${address}' is sealed, and the key store of this node has no key for it`)
      await keys.create(address, Buffer.from(entropy.hex(256), 'hex'))
    }
  }

  /** The bytes of a record, sealed if the tree is. */
  encode(draft: DraftRecord, state?: string): Uint8Array {
    const key = this.#key
    if (!this.#o.seals || key === undefined) return encodeRecord(draft, state)
    const { steps, hash, hashVersion, ...rest } = draft
    const head = { ...rest, steps: [], hash: keyed(key, hash), hashVersion: KEYED_HASH_VERSION }
    const inside = JSON.stringify({ steps, hash, hashVersion }).slice(0, -1)
    const text = `${inside}${state === undefined ? '' : `,"state":${state}`}}`
    const nonce = Buffer.from(this.#o.entropy.hex(NONCE_BYTES * 8), 'hex')
    const cipher = createCipheriv(CIPHER, key, nonce).setAAD(headOf(head))
    const parts = [nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]
    return encodeRecord({ ...head, sealed: Buffer.concat(parts).toString('base64') })
  }

  /** The record as it was before it was sealed. @throws LogDamaged for one that was not sealed like this under this key */
  open(record: JournalRecord): JournalRecord {
    return openedWith(this.#key, record)
  }
}

/** Opens records; needs a key for those that are sealed. */
export interface Opener {
  /** Before anything is opened, with the newest record of the tree. */
  prepare(newest: JournalRecord | undefined): Promise<void>
  open(record: JournalRecord): JournalRecord
}

/** Where there is no key store. */
export const NO_SEAL: Opener = {
  prepare: async () => {},
  open: (record) => {
    if (record.sealed === undefined) return record
    throw new LogUnavailable(`the log of '${record.actor}' is sealed; read it with the key store of its system`)
  },
}

/** For readers of any actors: gets each key when the first sealed record asks for it. */
export class SealReader {
  readonly #keys: KeyStore | undefined
  readonly #found = new Map<string, Uint8Array | 'destroyed' | undefined>()

  constructor(keys?: KeyStore) {
    this.#keys = keys
  }

  /** What `open` of this record will need. */
  async prepare({ actor, sealed }: JournalRecord): Promise<void> {
    if (sealed === undefined || this.#keys === undefined || this.#found.has(actor)) return
    const { type, key } = splitAddress(actor)
    this.#found.set(actor, await this.#keys.find(`${type}/${key}`))
  }

  /** The same for a record that is still bytes: few are decoded twice. */
  async prepareFor(bytes: Uint8Array): Promise<void> {
    if (this.#keys === undefined || !Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(SEALED))
      return
    try {
      await this.prepare(decodeRecord(bytes))
    } catch (error) {
      if (!(error instanceof TroupeError) || error.retryable) throw error
      // Whoever opens it says what is wrong with it.
    }
  }

  /** Undefined: its actor was erased. */
  open(record: JournalRecord): JournalRecord | undefined {
    if (record.sealed === undefined) return record
    const key = this.#found.get(record.actor)
    if (key === 'destroyed') return undefined
    return key === undefined ? NO_SEAL.open(record) : openedWith(key, record)
  }
}

/** @throws LogDamaged */
export function openedWith(key: Uint8Array | undefined, record: JournalRecord): JournalRecord {
  const { sealed, ...head } = record
  if (sealed === undefined) return record
  const damaged = (why: string, cause?: unknown) =>
    new LogDamaged(`a sealed record of '${record.actor}' ${why}`, { actor: record.actor }, cause)
  if (key === undefined) throw damaged('stands before any that told of a key')
  const bytes = Buffer.from(sealed, 'base64')
  const [nonce, tag] = [bytes.subarray(0, NONCE_BYTES), bytes.subarray(-TAG_BYTES)]
  let inside: unknown
  try {
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(headOf(head)).setAuthTag(tag)
    const text = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
    inside = JSON.parse(text)
  } catch (error) {
    throw damaged('does not open: it was changed or moved, or sealed under another key', error)
  }
  const whole: unknown = typeof inside === 'object' ? { ...head, ...inside } : undefined
  if (!isRecord(whole) || keyed(key, whole.hash) !== head.hash) throw damaged('holds something else than its head says')
  return ofToday(whole)
}

/** What is bound to the sealed part: the head in a fixed order. */
function headOf({ v, actor, epoch, writer, prev, logic, base, kept = 0, hash }: DraftRecord): Uint8Array {
  return Buffer.from(JSON.stringify([v, actor, epoch, writer, prev, logic, base, kept, hash]))
}

function keyed(key: Uint8Array, hash: string): string {
  return createHmac('sha256', key).update(`state ${hash}`).digest('base64url')
}

export function erased(address: string): ActorErased {
  return new ActorErased(`'${address}' was erased: its key is destroyed and its log cannot be read any more`)
}
