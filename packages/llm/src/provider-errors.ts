/**
 * What the failures of a provider are called here. Pure.
 *
 * 1. The status decides, then the provider's own code, then its words.
 * 2. `retryAfterMs` is there only where the provider named a time and asking again makes sense.
 */
import { readRetryAfter } from '@troupe/resilience'
import { z } from 'zod'
import { ModelError, type ModelErrorCode, type ModelErrorFields } from './model.ts'
import { parseJson } from './parse-json.ts'

/** `said` holds the provider's codes and types. */
export type CodeOf = (status: number, said: string, message: string) => ModelErrorCode

export function codeOfStatus(status: number): ModelErrorCode {
  if (status === 401 || status === 403) return 'Unauthorized'
  if (status === 402) return 'QuotaExhausted'
  if (status === 429) return 'RateLimited'
  if (status === 408 || status === 504) return 'Timeout'
  return status >= 500 ? 'ServerFailed' : 'InvalidRequest'
}

/** By the codes of OpenAI, and the words of those that imitate it. */
export function codeOfSaid(status: number, said: string, message: string): ModelErrorCode {
  if (said.includes('insufficient_quota')) return 'QuotaExhausted'
  const byStatus = codeOfStatus(status)
  if (byStatus !== 'InvalidRequest') return byStatus
  if (said.includes('model_not_found') || (status === 404 && /\bmodel\b/i.test(message))) return 'UnknownModel'
  if (/context_length|exceed_context/.test(said) || /context (length|size|window)/i.test(message)) {
    return 'ContextTooLong'
  }
  return 'InvalidRequest'
}

const ErrorBody = z.object({
  error: z.union([
    z.string().transform((message) => ({ message, code: undefined, type: undefined })),
    z.object({ message: z.string().catch(''), code: z.unknown().optional(), type: z.unknown().optional() }),
  ]),
})

export interface Said {
  readonly message: string
  /** Codes and types, in one string to search. */
  readonly codes: string
  /** A code that is an HTTP status, as some put it into streams. */
  readonly status?: number
}

/** The error object of a body or of an event; undefined when there is none. */
export function errorSaid(body: unknown): Said | undefined {
  const parsed = ErrorBody.safeParse(body)
  if (!parsed.success) return undefined
  const { message, code, type } = parsed.data.error
  const isStatus = typeof code === 'number' && code >= 400 && code < 600
  return { message, codes: `${String(code)} ${String(type)}`, ...(isStatus && { status: code }) }
}

export function httpError(
  response: Response,
  body: string,
  fields: ModelErrorFields,
  codeOf: CodeOf,
  clean: (text: string) => string,
): ModelError {
  const { message, codes } = errorSaid(parseJson(body)) ?? { message: '', codes: '' }
  const code = codeOf(response.status, codes, message)
  const mayCome = code === 'RateLimited' || code === 'ServerFailed'
  const retryAfterMs = mayCome ? readRetryAfter(response.headers) : undefined
  const said = message === '' ? '' : `: ${clean(message)}`
  return new ModelError(code, `${fields.provider} answered ${response.status}${said}`, {
    ...fields,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

/** An error inside of a stream that had begun with status 200. Its message is cleaned where it is thrown. */
export function streamError(said: Said, fields: ModelErrorFields, code: ModelErrorCode): ModelError {
  return new ModelError(code, `${fields.provider} broke the stream off: ${said.message}`, fields)
}

export function unreachable(provider: string, error: unknown, streamedChars?: number): ModelError {
  const cause: unknown = error instanceof Error ? error.cause : undefined
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'connection failed'
  const heard = streamedChars === undefined ? '' : ` after ${streamedChars} characters of text`
  const fields = { provider, ...(streamedChars !== undefined && { streamedChars }) }
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return new ModelError('Timeout', `${provider} sent nothing for too long${heard} (${code})`, fields)
  }
  return new ModelError('Unreachable', `${provider} cannot be reached or broke off${heard} (${code})`, fields)
}
