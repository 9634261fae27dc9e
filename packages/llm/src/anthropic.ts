/**
 * A client for `POST <base>/v1/messages`, the format of Anthropic.
 *
 * 1. What it shares with every client is told in `provider-call.ts`: one request, no redirect, no key in an error.
 * 2. Roles alternate: neighbours of one role become one message, results of tools are said by the user, and what the system says
 *    goes to the front, wherever it stood.
 * 3. `max_tokens` is always sent, `DEFAULT_MAX_TOKENS` when the request has none.
 * 4. What the format cannot carry is `Unsupported`: a seed, and JSON without a schema.
 */
import { type Clock, realClock } from '@troupe/core'
import { anthropicReading } from './anthropic-answer.ts'
import { DEFAULT_MAX_TOKENS } from './budget.ts'
import { type ChatMessage, type Model, ModelError, type ModelErrorCode, type ModelRequest } from './model.ts'
import { callProvider, type Provider, providerUrl } from './provider-call.ts'
import { codeOfStatus } from './provider-errors.ts'

const VERSION = '2023-06-01'

export interface AnthropicConfig {
  /** Without the version: `https://api.anthropic.com`. */
  readonly baseUrl: string
  readonly apiKey?: string
  readonly model: string
  /** To record and replay (`recorder`, `replayer`). @defaultValue the global one */
  readonly fetch?: typeof fetch
  /** @defaultValue the real one */
  readonly clock?: Clock
}

export function anthropic(config: AnthropicConfig): Model {
  const { apiKey, model } = config
  const url = providerUrl(config.baseUrl, '/v1/messages', apiKey)
  const provider: Provider = {
    url,
    headers: { 'anthropic-version': VERSION, ...(apiKey !== undefined && { 'x-api-key': apiKey }) },
    apiKey,
    fetch: config.fetch,
    clock: config.clock ?? realClock(),
    requestIdHeader: 'request-id',
    codeOf,
  }
  const reading = anthropicReading(codeOf)
  return {
    name: model,
    provider: url.host,
    async complete(request, options) {
      const body = requestBody(model, request)
      return callProvider(provider, options.onText ? { ...body, stream: true } : body, options, reading)
    },
  }
}

function requestBody(model: string, request: ModelRequest): object {
  const { messages, temperature, maxTokens = DEFAULT_MAX_TOKENS, topP, seed, stop, format, tools, toolChoice } = request
  if (seed !== undefined) throw unsupported('a seed')
  if (format?.kind === 'json') throw unsupported('JSON without a schema')
  const system = messages.filter(({ role }) => role === 'system').map(({ content }) => content)
  const hasTools = tools !== undefined && tools.length > 0
  return {
    model,
    max_tokens: maxTokens,
    system: system.length === 0 ? undefined : system.join('\n\n'),
    messages: alternating(messages),
    temperature,
    top_p: topP,
    stop_sequences: stop,
    output_config: format && { format: { type: 'json_schema', schema: format.schema } },
    tools: hasTools
      ? tools.map(({ name, description, schema }) => ({ name, description, input_schema: schema }))
      : undefined,
    tool_choice: hasTools && toolChoice !== undefined ? choiceOf(toolChoice) : undefined,
  }
}

const unsupported = (what: string): ModelError =>
  new ModelError('Unsupported', `Anthropic's format has no place for ${what}`)

function choiceOf(choice: NonNullable<ModelRequest['toolChoice']>): object {
  if (typeof choice === 'object') return { type: 'tool', name: choice.name }
  return { type: choice === 'required' ? 'any' : choice }
}

interface Turn {
  readonly role: 'user' | 'assistant'
  readonly content: object[]
}

function alternating(messages: readonly ChatMessage[]): readonly Turn[] {
  const turns: Turn[] = []
  for (const message of messages) {
    const blocks = blocksOf(message)
    if (blocks.length === 0) continue
    const role = message.role === 'assistant' ? 'assistant' : 'user'
    const last = turns.at(-1)
    if (last?.role === role) last.content.push(...blocks)
    else turns.push({ role, content: blocks })
  }
  return turns
}

/** An empty text is no block: the format refuses it. */
function blocksOf(message: ChatMessage): object[] {
  const { content } = message
  if (message.role === 'system') return []
  if (message.role === 'tool') return [{ type: 'tool_result', tool_use_id: message.toolCallId, content }]
  const text = content === '' ? [] : [{ type: 'text', text: content }]
  if (message.role !== 'assistant') return text
  return [...text, ...(message.toolCalls ?? []).map(({ id, name, input }) => ({ type: 'tool_use', id, name, input }))]
}

function codeOf(status: number, said: string, message: string): ModelErrorCode {
  // In a stream, which has begun with status 200, the type is all there is.
  if (/authentication_error|permission_error/.test(said)) return 'Unauthorized'
  if (said.includes('billing_error') || /credit balance is too low/i.test(message)) return 'QuotaExhausted'
  if (said.includes('rate_limit_error')) return 'RateLimited'
  if (said.includes('timeout_error')) return 'Timeout'
  if (said.includes('not_found_error') && /\bmodel\b/i.test(message)) return 'UnknownModel'
  if (/prompt is too long|context (length|window)/i.test(message)) return 'ContextTooLong'
  if (said.includes('invalid_request_error')) return 'InvalidRequest'
  return codeOfStatus(status)
}
