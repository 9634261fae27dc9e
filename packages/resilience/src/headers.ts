/**
 * What the headers of a provider's answer say about its limits. Pure; nothing is thrown for a header that cannot be read.
 *
 *   retry-after-ms: 1500            retry-after: 2     retry-after: Wed, 21 Oct 2015 07:28:00 GMT
 *   x-ratelimit-{limit,remaining,reset}-{requests,tokens}                 resets as 1s, 6m0s, 20ms, 1h2m3.5s or seconds
 *   anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}        resets as RFC 3339
 *
 * 1. The limits are named `requests`, `tokens`, `inputTokens`, `outputTokens`; who has other names renames them.
 * 2. Dates are read against the server's own `date`, and against our clock only without it.
 * 3. No wait is longer than a day.
 */
import type { Told, ToldLimit } from './buckets.ts'

export interface ReadableHeaders {
  /** Of a name in lower case; null when there is none. */
  get(name: string): string | null
}

const HEADERS = [
  ['requests', (what: string) => `x-ratelimit-${what}-requests`],
  ['tokens', (what: string) => `x-ratelimit-${what}-tokens`],
  ['requests', (what: string) => `anthropic-ratelimit-requests-${what}`],
  ['tokens', (what: string) => `anthropic-ratelimit-tokens-${what}`],
  ['inputTokens', (what: string) => `anthropic-ratelimit-input-tokens-${what}`],
  ['outputTokens', (what: string) => `anthropic-ratelimit-output-tokens-${what}`],
] as const

/** @param wallMs the wall clock, for dates of a server that does not say its own */
export function readHeaders(headers: ReadableHeaders, wallMs: number): Told {
  const serverMs = dateIn(headers.get('date')) ?? wallMs
  const limits: { [name: string]: ToldLimit } = {}
  for (const [name, header] of HEADERS) {
    // A cap of 0 would be for ever: nothing could leave to hear of another one.
    const cap = countIn(headers.get(header('limit'))) || undefined
    const remaining = countIn(headers.get(header('remaining')))
    const resetMs = waitIn(headers.get(header('reset')), serverMs)
    if (cap === undefined && remaining === undefined) continue
    limits[name] = {
      ...(cap !== undefined && { cap }),
      ...(remaining !== undefined && { remaining }),
      ...(resetMs !== undefined && { resetMs }),
    }
  }
  const retryAfterMs = readRetryAfter(headers, wallMs)
  return retryAfterMs === undefined ? { limits } : { retryAfterMs, limits }
}

/** @param wallMs as for `readHeaders`; without it a date counts only beside the server's own */
export function readRetryAfter(headers: ReadableHeaders, wallMs = Number.NaN): number | undefined {
  const serverMs = dateIn(headers.get('date')) ?? wallMs
  return capped(numberIn(headers.get('retry-after-ms'))) ?? waitIn(headers.get('retry-after'), serverMs)
}

/** No limit of a provider takes longer; what says so is a date in another form, or nonsense. */
const LONGEST_MS = 86_400_000

const capped = (ms: number | undefined): number | undefined => (ms !== undefined && ms <= LONGEST_MS ? ms : undefined)

function waitIn(text: string | null, serverMs: number): number | undefined {
  return capped(anyWaitIn(text, serverMs))
}

/** Seconds, a duration, or a date. */
function anyWaitIn(text: string | null, serverMs: number): number | undefined {
  if (text === null) return undefined
  const seconds = numberIn(text)
  if (seconds !== undefined) return seconds * 1_000
  const durationMs = durationIn(text.trim())
  if (durationMs !== undefined) return durationMs
  const atMs = dateIn(text)
  return atMs === undefined ? undefined : Math.max(0, atMs - serverMs)
}

const UNIT_MS: ReadonlyMap<string, number> = new Map([
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ns', 1e-6],
])

/** As Go writes durations: `6m0s`, `20ms`, `1h2m3.5s`. */
function durationIn(text: string): number | undefined {
  const parts = [...text.matchAll(/(\d{1,15}(?:\.\d{1,9})?)(ms|us|µs|ns|d|h|m|s)/g)]
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) return undefined
  return parts.reduce((sumMs, [, amount, unit = '']) => sumMs + Number(amount) * (UNIT_MS.get(unit) ?? 0), 0)
}

function countIn(text: string | null): number | undefined {
  const value = numberIn(text)
  return value === undefined ? undefined : Math.floor(value)
}

function numberIn(text: string | null): number | undefined {
  return text !== null && /^\s*\d{1,15}(\.\d{1,9})?\s*$/.test(text) ? Number(text) : undefined
}

function dateIn(text: string | null): number | undefined {
  // Both forms begin so; `Date.parse` alone would take much that is none.
  if (text === null || !/^\s*(\d{4}-\d\d-\d\dT|[A-Z][a-z]{2},? )/.test(text)) return undefined
  const ms = Date.parse(text)
  return Number.isFinite(ms) ? ms : undefined
}
