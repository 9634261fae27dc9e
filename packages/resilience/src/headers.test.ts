import { expect, test } from 'vitest'
import { readHeaders } from './headers.ts'

const WALL_MS = Date.parse('2026-01-01T00:00:00Z')
const read = (headers: Record<string, string>) => readHeaders(new Headers(headers), WALL_MS)

test.each([
  ['1s', 1_000],
  ['6m0s', 360_000],
  ['20ms', 20],
  ['1h2m3.5s', 3_723_500],
  ['2', 2_000],
  ['0.5', 500],
  ['2026-01-01T00:00:30Z', 30_000],
  ['2025-12-31T23:59:00Z', 0],
  ['soon', undefined],
  ['6m-1s', undefined],
  ['', undefined],
])("a reset of '%s' is in %s ms", (reset, resetMs) => {
  const { limits } = read({ 'x-ratelimit-remaining-tokens': '7', 'x-ratelimit-reset-tokens': reset })
  expect(limits).toEqual({ tokens: { remaining: 7, ...(resetMs !== undefined && { resetMs }) } })
})

test.each([
  [{ 'retry-after': '2' }, 2_000],
  [{ 'retry-after': 'Thu, 01 Jan 2026 00:00:10 GMT' }, 10_000],
  // The server's clock is an hour ahead; its own date says so.
  [{ 'retry-after': 'Thu, 01 Jan 2026 01:00:10 GMT', date: 'Thu, 01 Jan 2026 01:00:00 GMT' }, 10_000],
  [{ 'retry-after-ms': '1500', 'retry-after': '2' }, 1_500],
  [{ 'retry-after': '-3' }, undefined],
  [{ 'retry-after': 'never' }, undefined],
  [{ 'retry-after': '1e9' }, undefined],
  [{ 'retry-after': '1764118800' }, undefined],
  [{ 'retry-after-ms': '1764118800000' }, undefined],
  [{ 'retry-after-ms': '1764118800000', 'retry-after': '2' }, 2_000],
])('%j is a pause of %s ms', (headers, retryAfterMs) => {
  expect(read(headers).retryAfterMs).toBe(retryAfterMs)
})

test('the headers of both families are read, each by its name', () => {
  expect(
    read({
      'x-ratelimit-limit-requests': '500',
      'x-ratelimit-remaining-requests': '499',
      'x-ratelimit-reset-requests': '120ms',
      'anthropic-ratelimit-input-tokens-limit': '40000',
      'anthropic-ratelimit-input-tokens-remaining': '39000',
      'anthropic-ratelimit-input-tokens-reset': '2026-01-01T00:00:02Z',
      'anthropic-ratelimit-output-tokens-remaining': '8000',
    }).limits,
  ).toEqual({
    requests: { cap: 500, remaining: 499, resetMs: 120 },
    inputTokens: { cap: 40_000, remaining: 39_000, resetMs: 2_000 },
    outputTokens: { remaining: 8_000 },
  })
})
