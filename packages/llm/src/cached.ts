/**
 * Results that were checked once need not be asked for again: `cached(predict(…), { … })`, itself an effect.
 *
 * 1. Only what fits the signature is kept, and what is read back is checked again: a result that no longer fits counts as none.
 * 2. Nobody gets another tenant's result, nor that of another endpoint, signature or input: all of them are in its key, as a hash.
 * 3. A store that fails is passed by and said so; it never fails the call.
 * 4. The same question that is under way in this process is not asked twice. When it fails, one of those who followed asks, and the
 *    others follow that one; each waits no longer than its own signal lets it.
 * 5. Nobody is given an object that somebody else has too.
 */
import { createHash } from 'node:crypto'
import { canonical, decode, type Effect, type EffectContext, effect, encode } from '@troupe/core'
import type { Signature } from '@troupe/signatures'
import type { ResultStore } from './result-store.ts'

export interface CachedOptions<I, O> {
  readonly signature: Signature<I, O>
  readonly results: ResultStore
  /** All that decides the answer besides the input: provider, model, temperature, the demonstrations of a program. */
  readonly endpoint: string
  /** Whose results they are. @defaultValue those of everybody */
  readonly tenant?: string
  /** @defaultValue 86_400_000 */
  readonly forMs?: number
}

const DAY_MS = 86_400_000
const VERSION = 1

/** How a result came about, as the effect's record has it under its name. */
type How = 'kept' | 'shared' | 'asked' | 'asked, the store failed'

export function cached<I, O>(
  inner: Effect<I, O>,
  { signature, results, endpoint, tenant = '', forMs = DAY_MS }: CachedOptions<I, O>,
): Effect<I, O> {
  const name = `${inner.effect.name}.cached`
  const underWay = new Map<string, Promise<O>>()

  const find = async (key: string): Promise<{ readonly value: O } | 'none' | 'failed'> => {
    let text: string | undefined
    try {
      text = await results.get(key)
    } catch {
      return 'failed'
    }
    const result = text === undefined ? undefined : checked(signature, text)
    return result ?? 'none'
  }

  const keep = async (key: string, text: string): Promise<boolean> => {
    try {
      await results.put(key, text, forMs)
      return true
    } catch {
      return false
    }
  }

  const ask = async (key: string, input: I, context: EffectContext): Promise<{ value: O; how: How }> => {
    const found = await find(key)
    if (typeof found === 'object') return { ...found, how: 'kept' }
    const value = await inner.effect.run(input, context)
    const kept = found === 'none' && (await keep(key, textOf(value)))
    return { value, how: kept ? 'asked' : 'asked, the store failed' }
  }

  return effect(name, inner.effect.class, async (input: I, context) => {
    const said = canonical(encode([VERSION, tenant, endpoint, signature.hash, input]))
    const key = createHash('sha256').update(said).digest('base64url')
    const tell = (how: How) => context.evidence({ [name]: { how, key, endpoint } })
    for (;;) {
      context.signal.throwIfAborted()
      const other = underWay.get(key)
      if (other === undefined) break
      const shared = await resultOf(other, context.signal)
      if (shared === undefined) continue
      tell('shared')
      return structuredClone(shared.value)
    }
    const asked = ask(key, input, context)
    const mine = asked.then(({ value }) => structuredClone(value)).finally(() => underWay.delete(key))
    // Its failure is reported where it is awaited.
    mine.catch(() => {})
    underWay.set(key, mine)
    const { value, how } = await asked
    tell(how)
    return value
  })
}

/** @returns undefined when it has failed. @throws the reason of the signal when that aborts first */
function resultOf<O>(other: Promise<O>, signal: AbortSignal): Promise<{ readonly value: O } | undefined> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    const end = (result: { readonly value: O } | undefined) => {
      signal.removeEventListener('abort', abort)
      resolve(result)
    }
    other.then(
      (value) => end({ value }),
      () => end(undefined),
    )
  })
}

function textOf(value: unknown): string {
  return JSON.stringify(encode(value))
}

function checked<O>({ output }: Signature<unknown, O>, text: string): { readonly value: O } | undefined {
  try {
    const result = output['~standard'].validate(decode(JSON.parse(text)))
    return 'value' in result ? { value: result.value } : undefined
  } catch {
    return undefined
  }
}
