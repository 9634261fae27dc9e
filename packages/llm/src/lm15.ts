/**
 * The dictionaries of lm15, the request and answer format of DSPy 3.4 workers, to and from our port's types. Pure.
 *
 * 1. Nothing is dropped silently: whatever the port cannot carry is `Unsupported` and named by its path. Exceptions are
 *    hints without influence on the text (`config.cache`, `user_id`, `store`, `service_tier`) and `continuation`.
 * 2. Every code of ours has one lm15 code; `error_class_for_code` of lm15 makes a class of it. `cancelled` and
 *    `UnsupportedVersion` are the two codes lm15 does not know: the worker stops the job, or reports a provider error.
 */
import { z } from 'zod'
import {
  type AnswerFormat,
  type ChatMessage,
  type ModelAnswer,
  ModelError,
  type ModelErrorCode,
  type ModelRequest,
} from './model.ts'

const Part = z.looseObject({ type: z.string(), text: z.string().optional() })
const Format = z.discriminatedUnion('type', [
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    schema: z.record(z.string(), z.unknown()),
    name: z.string().optional(),
    strict: z.boolean().optional(),
  }),
])
const hints = ['cache', 'user_id', 'store', 'service_tier']
const Config = z.looseObject({
  max_tokens: z.number().int().positive().optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().optional(),
  seed: z.number().int().optional(),
  stop: z.union([z.string(), z.array(z.string())]).optional(),
  response_format: Format.optional(),
})
const Request = z.looseObject({
  model: z.string(),
  messages: z.array(z.object({ role: z.string(), parts: z.array(z.union([z.string(), Part])).min(1) })).min(1),
  system: z.union([z.string(), z.array(Part)]).optional(),
  tools: z.array(z.unknown()).optional(),
  config: Config.optional(),
})

export function decodeRequest(value: unknown): ModelRequest {
  const parsed = Request.safeParse(value)
  if (!parsed.success) {
    throw new ModelError('InvalidRequest', `not an lm15 request: ${z.prettifyError(parsed.error)}`)
  }
  const { messages, system, tools, config = {} } = parsed.data
  if (tools !== undefined && tools.length > 0) throw unsupported('tools')
  for (const key of Object.keys(config)) {
    if (!(key in Config.shape) && !hints.includes(key) && !isEmpty(config[key])) throw unsupported(`config.${key}`)
  }
  const chat: ChatMessage[] = []
  if (system !== undefined) {
    chat.push({ role: 'system', content: typeof system === 'string' ? system : textOf(system, 'system') })
  }
  messages.forEach(({ role, parts }, i) => {
    chat.push({ role: roleOf(role, i), content: textOf(parts, `messages[${i}]`) })
  })
  const { temperature, max_tokens: maxTokens, top_p: topP, seed, stop, response_format: format } = config
  return {
    messages: chat,
    ...(temperature !== undefined && { temperature }),
    ...(maxTokens !== undefined && { maxTokens }),
    ...(topP !== undefined && { topP }),
    ...(seed !== undefined && { seed }),
    ...(stop !== undefined && { stop: typeof stop === 'string' ? [stop] : stop }),
    ...(format !== undefined && { format: formatOf(format) }),
  }
}

function roleOf(role: string, i: number): ChatMessage['role'] {
  if (role === 'user' || role === 'assistant') return role
  if (role === 'developer') return 'system'
  throw unsupported(`messages[${i}].role '${role}'`)
}

function textOf(parts: readonly (string | z.infer<typeof Part>)[], path: string): string {
  return parts
    .map((part, i) => {
      if (typeof part === 'string') return part
      if (part.type !== 'text') throw unsupported(`${path}.parts[${i}] of type '${part.type}'`)
      return part.text ?? ''
    })
    .join('')
}

function formatOf(format: z.infer<typeof Format>): AnswerFormat {
  if (format.type === 'json_object') return { kind: 'json' }
  const { schema, name, strict } = format
  return { kind: 'json-schema', schema, ...(name !== undefined && { name }), ...(strict !== undefined && { strict }) }
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0)
}

function unsupported(what: string): ModelError {
  return new ModelError('Unsupported', `this model port carries text only; the request has ${what}`)
}

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Lm15Usage = { readonly input_tokens: number; readonly output_tokens: number; readonly total_tokens: number }

export interface Lm15Response {
  readonly id: string
  readonly model: string
  readonly message: { readonly role: 'assistant'; readonly parts: readonly [{ type: 'text'; text: string }] }
  readonly finish_reason: ModelAnswer['finishReason']
  readonly usage?: Lm15Usage
}

export type Lm15Event =
  | { readonly type: 'start'; readonly id: string; readonly model: string }
  | { readonly type: 'delta'; readonly delta: { type: 'text'; part_index: 0; text: string } }
  | { readonly type: 'end'; readonly finish_reason: ModelAnswer['finishReason']; readonly usage?: Lm15Usage }

function usageOf({ usage }: ModelAnswer): { usage?: Lm15Usage } {
  if (usage === undefined) return {}
  const { promptTokens, completionTokens } = usage
  return {
    usage: {
      input_tokens: promptTokens,
      output_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
    },
  }
}

export function encodeAnswer(id: string, model: string, answer: ModelAnswer): Lm15Response {
  return {
    id,
    model,
    message: { role: 'assistant', parts: [{ type: 'text', text: answer.text }] },
    finish_reason: answer.finishReason,
    ...usageOf(answer),
  }
}

/** The port has no streaming: a stream is the whole text as one delta. */
export function encodeEvents(id: string, model: string, answer: ModelAnswer): readonly Lm15Event[] {
  return [
    { type: 'start', id, model },
    { type: 'delta', delta: { type: 'text', part_index: 0, text: answer.text } },
    { type: 'end', finish_reason: answer.finishReason, ...usageOf(answer) },
  ]
}

export const lm15Codes: Readonly<Record<ModelErrorCode, string>> = {
  Unauthorized: 'auth',
  QuotaExhausted: 'billing',
  BudgetExceeded: 'billing',
  PriceUnknown: 'not_configured',
  RateLimited: 'rate_limit',
  Busy: 'rate_limit',
  BreakerOpen: 'rate_limit',
  ContextTooLong: 'context_length',
  UnknownModel: 'unsupported_model',
  InvalidRequest: 'invalid_request',
  Unsupported: 'unsupported_feature',
  UnsupportedVersion: 'UnsupportedVersion',
  Timeout: 'timeout',
  Cancelled: 'cancelled',
  ServerFailed: 'server',
  Unreachable: 'transport',
  MalformedAnswer: 'server',
  AnswerTooLarge: 'provider',
}

export interface Lm15Error {
  readonly code: string
  readonly message: string
  /** Seconds. */
  readonly retry_after?: number
  readonly status?: number
  readonly provider?: string
  readonly request_id?: string
}

export function encodeError(error: ModelError): Lm15Error {
  const { retryAfterMs, status, provider, requestId } = error.fields
  return {
    code: lm15Codes[error.code],
    message: error.message,
    ...(retryAfterMs !== undefined && { retry_after: retryAfterMs / 1000 }),
    ...(status !== undefined && { status }),
    ...(provider !== undefined && { provider }),
    ...(requestId !== undefined && { request_id: requestId }),
  }
}
