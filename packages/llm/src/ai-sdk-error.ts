/** Errors of the AI SDK, known by their shapes and names, as errors of our port. Pure. */
import { readRetryAfter } from '@troupe/resilience'
import { z } from 'zod'
import { headersOf } from './ai-sdk-answer.ts'
import { type CompleteOptions, ModelError, type ModelErrorCode } from './model.ts'
import { parseJson } from './parse-json.ts'
import { codeOfSaid, errorSaid, type Said, unreachable } from './provider-errors.ts'

const MAX_PROVIDER_TEXT = 300

const Failed = z.object({
  name: z.string().optional(),
  message: z.string().catch(''),
  statusCode: z.number().int().optional(),
  responseHeaders: z.record(z.string(), z.string()).optional().catch(undefined),
  responseBody: z.string().optional().catch(undefined),
  cause: z.object({ name: z.string() }).optional().catch(undefined),
})

const named: Readonly<Record<string, ModelErrorCode>> = {
  AI_UnsupportedFunctionalityError: 'Unsupported',
  AI_LoadAPIKeyError: 'Unauthorized',
  AI_NoSuchModelError: 'UnknownModel',
  AI_InvalidPromptError: 'InvalidRequest',
  AI_InvalidArgumentError: 'InvalidRequest',
  AI_JSONParseError: 'MalformedAnswer',
  AI_TypeValidationError: 'MalformedAnswer',
  AI_InvalidResponseDataError: 'MalformedAnswer',
  AI_EmptyResponseBodyError: 'MalformedAnswer',
  AI_NoContentGeneratedError: 'MalformedAnswer',
}

export function sdkError(
  error: unknown,
  provider: string,
  streamedChars: number | undefined,
  onHeaders?: CompleteOptions['onHeaders'],
): ModelError {
  if (error instanceof ModelError) return error
  const failed: z.infer<typeof Failed> = Failed.safeParse(error).data ?? { message: String(error) }
  const headers = headersOf(failed.responseHeaders)
  if (failed.responseHeaders !== undefined) onHeaders?.(headers)
  const status = failed.statusCode
  const said = errorSaid(parseJson(failed.responseBody ?? '')) ?? saidBy(error) ?? { message: '', codes: '' }
  const code = codeOf(failed, said, streamedChars)
  // The SDK wraps what fetch says twice.
  if (code === undefined) return unreachable(provider, nested(error), streamedChars)
  const requestId = headers.get('x-request-id') ?? headers.get('request-id')
  const retryAfterMs = code === 'RateLimited' || code === 'ServerFailed' ? readRetryAfter(headers) : undefined
  const words = code === 'Unauthorized' || said.message === '' ? '' : `: ${said.message.slice(0, MAX_PROVIDER_TEXT)}`
  return new ModelError(code, `${provider} failed with ${status ?? failed.name ?? 'an error'}${words}`, {
    provider,
    ...(status !== undefined && { status }),
    ...(requestId !== null && { requestId }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(streamedChars !== undefined && { streamedChars }),
  })
}

/** Of an error inside of a stream: the provider's own object, or its words alone. */
function saidBy(error: unknown): Said | undefined {
  return error instanceof Error ? undefined : errorSaid({ error })
}

function codeOf(
  { name, statusCode: status, cause }: z.infer<typeof Failed>,
  said: Said,
  streamedChars: number | undefined,
): ModelErrorCode | undefined {
  const code = named[name ?? '']
  if (code !== undefined) return code
  // Status 200 and an error all the same: what came could not be read, or did not come to its end.
  if (status !== undefined && status < 300) return cause?.name === 'TypeError' ? undefined : 'MalformedAnswer'
  if (status !== undefined) return codeOfSaid(status, said.codes, said.message)
  if (said.message === '') return undefined
  return (streamedChars ?? 0) > 0 ? 'ServerFailed' : codeOfSaid(said.status ?? 500, said.codes, said.message)
}

function nested(error: unknown): unknown {
  const cause: unknown = error instanceof Error ? error.cause : undefined
  return cause instanceof TypeError ? cause : error
}
