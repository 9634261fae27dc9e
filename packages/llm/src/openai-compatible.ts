/**
 * A client for `POST <base>/chat/completions`, the format of OpenAI, Ollama, vLLM, llama.cpp, OpenRouter and others.
 *
 * 1. One HTTP call per `complete`; redirects are not followed, so the key goes to the configured host only.
 * 2. The key lives in a closure: it is in no field, error or log. Provider texts are cut and searched for it.
 * 3. Time limits come from the signal alone (and from the fetch implementation: 300 s without response headers).
 * 4. A body that is not what the format promises is `MalformedAnswer`, however it is broken.
 */
import { z } from 'zod'
import {
  abortError,
  type Model,
  type ModelAnswer,
  ModelError,
  type ModelErrorCode,
  type ModelErrorFields,
  type ModelRequest,
} from './model.ts'

const MAX_BODY_BYTES = 8 * 1024 * 1024
const MAX_PROVIDER_TEXT = 300

export interface OpenAiCompatibleConfig {
  /** Including the version: `https://api.openai.com/v1`, `http://127.0.0.1:11434/v1`. */
  readonly baseUrl: string
  readonly apiKey?: string
  readonly model: string
}

export function openAiCompatible({ baseUrl, apiKey, model }: OpenAiCompatibleConfig): Model {
  const url = endpoint(baseUrl)
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new ModelError('Unauthorized', 'the API key holds spaces or characters that no HTTP header can carry')
  }
  const provider = url.host
  const clean = (text: string): string =>
    (apiKey === undefined ? text : text.replaceAll(apiKey, '***')).slice(0, MAX_PROVIDER_TEXT)

  return {
    name: model,
    provider,
    async complete(request, { signal, onHeaders }) {
      if (signal.aborted) throw abortError(signal)
      let response: Response
      let body: string
      try {
        response = await fetch(url, {
          method: 'POST',
          redirect: 'manual',
          signal,
          headers: {
            'content-type': 'application/json',
            ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
          },
          body: JSON.stringify(requestBody(model, request, provider === 'api.openai.com')),
        })
        onHeaders?.(response.headers)
        body = await readBody(response)
      } catch (error) {
        if (error instanceof ModelError) throw error
        if (signal.aborted) throw abortError(signal)
        throw unreachable(provider, error)
      }
      const requestId = response.headers.get('x-request-id')
      const fields: ModelErrorFields = {
        provider,
        status: response.status,
        ...(requestId !== null && { requestId: clean(requestId) }),
      }
      if (response.status !== 200) throw httpError(response, body, fields, clean)
      return answerOf(body, fields)
    },
  }
}

function endpoint(baseUrl: string): URL {
  const url = URL.parse(`${baseUrl.replace(/\/+$/, '')}/chat/completions`)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new ModelError(
      'InvalidRequest',
      'the base URL must be http(s)://host[:port][/path] without a user name or password; give the key as apiKey',
    )
  }
  return url
}

function requestBody(model: string, request: ModelRequest, openAi: boolean): object {
  const { messages, temperature, maxTokens, topP, seed, stop, format } = request
  return {
    model,
    messages,
    temperature,
    // OpenAI itself wants the newer name; most compatible servers know only the older one.
    [openAi ? 'max_completion_tokens' : 'max_tokens']: maxTokens,
    top_p: topP,
    seed,
    stop,
    response_format: format === undefined ? undefined : responseFormat(format),
  }
}

function responseFormat(format: NonNullable<ModelRequest['format']>): object {
  if (format.kind === 'json') return { type: 'json_object' }
  const { schema, name = 'answer', strict } = format
  return { type: 'json_schema', json_schema: { name, schema, strict } }
}

async function readBody(response: Response): Promise<string> {
  if (response.body === null) return ''
  const decoder = new TextDecoder()
  let text = ''
  let sizeBytes = 0
  for await (const chunk of response.body) {
    sizeBytes += chunk.byteLength
    if (sizeBytes > MAX_BODY_BYTES) {
      throw new ModelError('MalformedAnswer', `the provider's answer is larger than ${MAX_BODY_BYTES} bytes`)
    }
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function unreachable(provider: string, error: unknown): ModelError {
  const cause: unknown = error instanceof Error ? error.cause : undefined
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'connection failed'
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
    return new ModelError('Timeout', `${provider} sent nothing for too long (${code})`, { provider })
  }
  return new ModelError('Unreachable', `${provider} cannot be reached or broke off (${code})`, { provider })
}

// ── Failures ────────────────────────────────────────────────────────────────────────────────────────────────────────

const ErrorBody = z.object({
  error: z.union([
    z.string().transform((message) => ({ message, code: undefined, type: undefined })),
    z.object({ message: z.string().catch(''), code: z.unknown().optional(), type: z.unknown().optional() }),
  ]),
})

function httpError(
  response: Response,
  body: string,
  fields: ModelErrorFields,
  clean: (text: string) => string,
): ModelError {
  const parsed = ErrorBody.safeParse(parseJson(body))
  const { message, code, type } = parsed.success ? parsed.data.error : { message: '', code: undefined, type: undefined }
  const ours = codeOf(response.status, `${String(code)} ${String(type)}`, message)
  const retryAfterMs = ours === 'RateLimited' || ours === 'ServerFailed' ? retryAfter(response.headers) : undefined
  const said = message === '' ? '' : `: ${clean(message)}`
  return new ModelError(ours, `${fields.provider} answered ${response.status}${said}`, {
    ...fields,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

function codeOf(status: number, codes: string, message: string): ModelErrorCode {
  if (status === 401 || status === 403) return 'Unauthorized'
  if (status === 402 || codes.includes('insufficient_quota')) return 'QuotaExhausted'
  if (status === 429) return 'RateLimited'
  if (status === 408 || status === 504) return 'Timeout'
  if (status >= 500) return 'ServerFailed'
  if (codes.includes('model_not_found') || (status === 404 && /\bmodel\b/i.test(message))) return 'UnknownModel'
  if (/context_length|exceed_context/.test(codes) || /context (length|size|window)/i.test(message)) {
    return 'ContextTooLong'
  }
  return 'InvalidRequest'
}

/** `retry-after-ms`, or `retry-after` in seconds or as a date; a date is read against the server's own clock. */
function retryAfter(headers: Headers): number | undefined {
  const ms = Number(headers.get('retry-after-ms') ?? Number.NaN)
  if (Number.isFinite(ms) && ms >= 0) return ms
  const text = headers.get('retry-after')
  if (text === null) return undefined
  const seconds = Number(text)
  if (text.trim() !== '' && Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  const wait = Date.parse(text) - Date.parse(headers.get('date') ?? '')
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined
}

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const tokens = z.number().int().nonnegative()
const Choice = z.object({
  message: z.object({
    content: z.string().nullish(),
    refusal: z.string().nullish(),
    tool_calls: z.array(z.unknown()).nullish(),
  }),
  finish_reason: z.string().nullish(),
})
const AnswerBody = z.object({
  choices: z.array(Choice).min(1),
  usage: z.object({ prompt_tokens: tokens, completion_tokens: tokens, cost: z.number().optional() }).nullish(),
})

function isRefused({ message, finish_reason }: z.infer<typeof Choice>): boolean {
  return finish_reason === 'content_filter' || ((message.content ?? '') === '' && Boolean(message.refusal))
}

function answerOf(body: string, fields: ModelErrorFields): ModelAnswer {
  const parsed = AnswerBody.safeParse(parseJson(body))
  const choice = parsed.data?.choices[0]
  if (!parsed.success || choice === undefined) {
    throw new ModelError(
      'MalformedAnswer',
      `${fields.provider} answered 200 with a body that is no chat completion`,
      fields,
    )
  }
  const { content, refusal, tool_calls: toolCalls } = choice.message
  const finishReason = isRefused(choice) ? 'content_filter' : choice.finish_reason === 'length' ? 'length' : 'stop'
  const text = content ?? refusal ?? (finishReason === 'stop' ? undefined : '')
  if (text === undefined || (toolCalls ?? []).length > 0) {
    throw new ModelError('MalformedAnswer', `${fields.provider} answered without text`, fields)
  }
  const usage = parsed.data.usage
  return {
    text,
    finishReason,
    ...(usage && { usage: { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens } }),
    ...(usage?.cost !== undefined && { costUsd: usage.cost }),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
