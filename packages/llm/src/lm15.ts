/**
 * The dictionaries of lm15, the request and answer format of DSPy 3.4 workers, to and from our port's types. Pure.
 *
 * 1. Nothing is dropped silently: whatever the port cannot carry is `Unsupported` and named by its path. Exceptions are
 *    hints without influence on the text (`config.cache`, `user_id`, `store`, `service_tier`), `continuation`, and `is_error` of a
 *    tool's result, whose content says the same. A model that may use some of the tools only is not told of the others.
 * 2. Every code of ours has one lm15 code; `error_class_for_code` of lm15 makes a class of it. `cancelled` and
 *    `UnsupportedVersion` are the two codes lm15 does not know: the worker stops the job, or reports a provider error.
 */
import { z } from 'zod'
import { MOST_TOKENS } from './budget.ts'
import {
  type AnswerFormat,
  type ChatMessage,
  type ModelAnswer,
  ModelError,
  type ModelErrorCode,
  type ModelRequest,
  type ToolCall,
  type ToolSpec,
} from './model.ts'

const TextPart = z.looseObject({ type: z.literal('text'), text: z.string().optional() })
const Content = z.union([z.string(), z.array(z.union([z.string(), TextPart]))])
const Part = z.looseObject({ type: z.string(), text: z.string().optional() })
const CallPart = z.looseObject({ id: z.string().min(1), name: z.string().min(1), input: z.unknown().default({}) })
const ResultPart = z.looseObject({ id: z.string().min(1), content: Content.default('') })
const Tool = z.looseObject({
  type: z.literal('function'),
  name: z.string().min(1),
  description: z.string().optional(),
  parameters: z.record(z.string(), z.unknown()),
})
const Choice = z.looseObject({
  mode: z.enum(['auto', 'required', 'none']).default('auto'),
  allowed: z.union([z.string().transform((name) => [name]), z.array(z.string())]).default([]),
  parallel: z.boolean().nullish(),
})
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
  max_tokens: z.number().int().positive().max(MOST_TOKENS).optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().optional(),
  seed: z.number().int().optional(),
  stop: z.union([z.string(), z.array(z.string())]).optional(),
  response_format: Format.optional(),
  tool_choice: Choice.optional(),
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
  const { messages, system, tools = [], config = {} } = parsed.data
  for (const key of Object.keys(config)) {
    if (!(key in Config.shape) && !hints.includes(key) && !isEmpty(config[key])) throw unsupported(`config.${key}`)
  }
  const chat: ChatMessage[] = []
  if (system !== undefined) {
    chat.push({ role: 'system', content: typeof system === 'string' ? system : textOf(system, 'system.parts') })
  }
  messages.forEach(({ role, parts }, i) => {
    chat.push(...messagesOf(role, parts, `messages[${i}]`))
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
    ...toolsOf(tools, config.tool_choice),
  }
}

type Parts = readonly (string | z.infer<typeof Part>)[]

function messagesOf(role: string, parts: Parts, path: string): ChatMessage[] {
  const isOf = (type: string) => (part: Parts[number]) => typeof part !== 'string' && part.type === type
  const rest = (type: string) => parts.filter((part) => !isOf(type)(part))
  if (role === 'user') return [{ role, content: textOf(parts, `${path}.parts`) }]
  if (role === 'developer') return [{ role: 'system', content: textOf(parts, `${path}.parts`) }]
  if (role === 'assistant') {
    const calls = parts.filter(isOf('tool_call')).map((part) => checked(CallPart, part, `${path}: a tool call`))
    const toolCalls = calls.map(({ id, name, input }) => ({ id, name, input }))
    const content = textOf(rest('tool_call'), `${path}.parts`)
    return [{ role, content, ...(toolCalls.length > 0 && { toolCalls }) }]
  }
  if (role !== 'tool') throw unsupported(`${path}.role '${role}'`)
  if (rest('tool_result').length > 0) throw unsupported(`${path} with more than the results of tools`)
  return parts.map((part) => {
    const { id, content } = checked(ResultPart, part, `${path}: a tool result`)
    return { role, toolCallId: id, content: typeof content === 'string' ? content : textOf(content, `${path}.content`) }
  })
}

function textOf(parts: Parts, path: string): string {
  return parts
    .map((part, i) => {
      if (typeof part === 'string') return part
      if (part.type !== 'text') throw unsupported(`${path}[${i}] of type '${part.type}'`)
      return part.text ?? ''
    })
    .join('')
}

function toolsOf(
  given: readonly unknown[],
  choice: z.infer<typeof Choice> | undefined,
): Pick<ModelRequest, 'tools' | 'toolChoice'> {
  if (choice?.parallel === false) throw unsupported('config.tool_choice.parallel')
  const allowed = choice?.allowed ?? []
  const tools = given
    .map((tool, i): ToolSpec => {
      const { success, data } = Tool.safeParse(tool)
      if (!success) throw unsupported(`tools[${i}], which is no function with parameters`)
      const { name, description, parameters: schema } = data
      return { name, ...(description !== undefined && { description }), schema }
    })
    .filter(({ name }) => allowed.length === 0 || allowed.includes(name))
  const [only, ...more] = tools
  if (only === undefined) return {}
  if (choice === undefined) return { tools }
  return { tools, toolChoice: choice.mode === 'required' && more.length === 0 ? { name: only.name } : choice.mode }
}

function checked<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const { data, error } = schema.safeParse(value)
  if (data === undefined) throw new ModelError('InvalidRequest', `${what}: ${error && z.prettifyError(error)}`)
  return data
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
  return new ModelError('Unsupported', `this model port carries text and tool calls only; the request has ${what}`)
}

// ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Lm15Usage {
  readonly input_tokens: number
  readonly output_tokens: number
  readonly total_tokens: number
  readonly cache_read_tokens?: number
}

type FinishReason = Exclude<ModelAnswer['finishReason'], 'tool_calls'> | 'tool_call'

export type Lm15Part =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'tool_call'; readonly id: string; readonly name: string; readonly input: object }

export interface Lm15Response {
  readonly id: string
  readonly model: string
  readonly message: { readonly role: 'assistant'; readonly parts: readonly Lm15Part[] }
  readonly finish_reason: FinishReason
  readonly usage?: Lm15Usage
}

export type Lm15Event =
  | { readonly type: 'start'; readonly id: string; readonly model: string }
  | { readonly type: 'delta'; readonly delta: Lm15Delta }
  | { readonly type: 'end'; readonly finish_reason: FinishReason; readonly usage?: Lm15Usage }

export type Lm15Delta =
  | { readonly type: 'text'; readonly part_index: number; readonly text: string }
  | {
      readonly type: 'tool_call'
      readonly part_index: number
      readonly input: string
      readonly id: string
      readonly name: string
    }

const finishOf = ({ finishReason }: ModelAnswer): FinishReason =>
  finishReason === 'tool_calls' ? 'tool_call' : finishReason

function usageOf({ usage }: ModelAnswer): { usage?: Lm15Usage } {
  if (usage === undefined) return {}
  const { promptTokens, completionTokens, cachedTokens } = usage
  return {
    usage: {
      input_tokens: promptTokens,
      output_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
      ...(cachedTokens !== undefined && { cache_read_tokens: cachedTokens }),
    },
  }
}

/** lm15 wants an object, as the schemas of tools do. */
function inputOf({ input }: ToolCall): object {
  return typeof input === 'object' && input !== null && !Array.isArray(input) ? input : { input }
}

function partsOf({ text, toolCalls = [] }: ModelAnswer): Lm15Part[] {
  const calls = toolCalls.map((call) => ({ type: 'tool_call' as const, ...call, input: inputOf(call) }))
  // A message has at least one part.
  return text === '' && calls.length > 0 ? calls : [{ type: 'text', text }, ...calls]
}

export function encodeAnswer(id: string, model: string, answer: ModelAnswer): Lm15Response {
  return {
    id,
    model,
    message: { role: 'assistant', parts: partsOf(answer) },
    finish_reason: finishOf(answer),
    ...usageOf(answer),
  }
}

export const startEvent = (id: string, model: string): Lm15Event => ({ type: 'start', id, model })

export const textEvent = (text: string): Lm15Event => ({ type: 'delta', delta: { type: 'text', part_index: 0, text } })

/** What follows the text of a stream: tool calls, each in one delta, and the end. */
export function endEvents(answer: ModelAnswer): readonly Lm15Event[] {
  const calls = partsOf(answer).flatMap((part, n): Lm15Event[] => {
    if (part.type === 'text') return []
    const { type, id, name, input } = part
    return [{ type: 'delta', delta: { type, part_index: n, input: JSON.stringify(input), id, name } }]
  })
  return [...calls, { type: 'end', finish_reason: finishOf(answer), ...usageOf(answer) }]
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
  NoRoute: 'not_configured',
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
  ResultRefused: 'provider',
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
