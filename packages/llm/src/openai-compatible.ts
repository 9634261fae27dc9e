/**
 * A client for `POST <base>/chat/completions`, the format of OpenAI, Ollama, vLLM, llama.cpp, OpenRouter and others.
 *
 * 1. One HTTP call per `complete`; redirects are not followed, so the key goes to the configured host only.
 * 2. The key lives in a closure: it is in no field, error or log. Provider texts are cut and searched for it.
 * 3. Time limits come from the signal alone (and from the fetch implementation: 300 s without response headers).
 * 4. A body that is not what the format promises is `MalformedAnswer`, however it is broken; one that has no end is `AnswerTooLarge`.
 */
import { type Clock, realClock } from '@troupe/core'
import type { ChatMessage, Model, ModelRequest, ToolSpec } from './model.ts'
import { openAiReading } from './openai-answer.ts'
import { callProvider, type Provider, providerUrl } from './provider-call.ts'
import { codeOfSaid } from './provider-errors.ts'

export interface OpenAiCompatibleConfig {
  /** Including the version: `https://api.openai.com/v1`, `http://127.0.0.1:11434/v1`. */
  readonly baseUrl: string
  readonly apiKey?: string
  readonly model: string
  /** To record and replay (`recorder`, `replayer`). @defaultValue the global one */
  readonly fetch?: typeof fetch
  /** @defaultValue the real one */
  readonly clock?: Clock
}

export function openAiCompatible(config: OpenAiCompatibleConfig): Model {
  const { apiKey, model } = config
  const url = providerUrl(config.baseUrl, '/chat/completions', apiKey)
  const provider: Provider = {
    url,
    headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
    apiKey,
    fetch: config.fetch,
    clock: config.clock ?? realClock(),
    requestIdHeader: 'x-request-id',
    codeOf: codeOfSaid,
  }
  const reading = openAiReading(codeOfSaid)
  return {
    name: model,
    provider: url.host,
    complete: (request, options) => {
      const body = requestBody(model, request, url.host === 'api.openai.com')
      const stream = options.onText && { stream: true, stream_options: { include_usage: true } }
      return callProvider(provider, { ...body, ...stream }, options, reading)
    },
  }
}

function requestBody(model: string, request: ModelRequest, openAi: boolean): object {
  const { messages, temperature, maxTokens, topP, seed, stop, format, tools, toolChoice } = request
  return {
    model,
    messages: messages.map(messageOf),
    temperature,
    // OpenAI itself wants the newer name; most compatible servers know only the older one.
    [openAi ? 'max_completion_tokens' : 'max_tokens']: maxTokens,
    top_p: topP,
    seed,
    stop,
    response_format: format === undefined ? undefined : responseFormat(format),
    tools: tools === undefined || tools.length === 0 ? undefined : tools.map(toolOf),
    tool_choice: typeof toolChoice === 'object' ? { type: 'function', function: toolChoice } : toolChoice,
  }
}

function messageOf(message: ChatMessage): object {
  if (message.role === 'tool') return { role: 'tool', tool_call_id: message.toolCallId, content: message.content }
  if (message.role !== 'assistant' || message.toolCalls === undefined) return message
  return {
    role: 'assistant',
    content: message.content === '' ? null : message.content,
    tool_calls: message.toolCalls.map(({ id, name, input }) => ({
      id,
      type: 'function',
      function: { name, arguments: JSON.stringify(input) },
    })),
  }
}

function toolOf({ name, description, schema }: ToolSpec): object {
  return { type: 'function', function: { name, description, parameters: schema } }
}

function responseFormat(format: NonNullable<ModelRequest['format']>): object {
  if (format.kind === 'json') return { type: 'json_object' }
  const { schema, name = 'answer', strict } = format
  return { type: 'json_schema', json_schema: { name, schema, strict } }
}
