/**
 * Any `LanguageModel` object of the AI SDK (specification v3 or v4) as a model of ours. Nothing of the SDK is imported.
 *
 * 1. Its `doGenerate` and `doStream` are called, which do not retry; what `ai` puts around them is not used.
 * 2. What comes out of it is checked like any answer from outside.
 * 3. Of its errors only status, headers, and the provider's own words, cut, are taken over; of a refusal of credentials not even those,
 *    since the key is not known here and could not be taken out. Causes are not kept: they may hold the request.
 * 4. A call settles when its signal aborts, also when the object ignores it.
 *
 * Not promised, since the object hides its wire: the size of a whole answer has no cap, and a server that ends a stream without
 * saying why is found out only by the reason `other`.
 */
import { answerOfParts, isBrokenOff, partsOf, type SdkPart } from './ai-sdk-answer.ts'
import { sdkError } from './ai-sdk-error.ts'
import { abortError, type ChatMessage, type Model, ModelError, type ModelRequest } from './model.ts'
import { unreachable } from './provider-errors.ts'

/** What is needed of one; the SDK's own types fit it. */
export interface AiSdkLanguageModel {
  readonly specificationVersion: string
  readonly provider: string
  readonly modelId: string
  doGenerate(options: AiSdkCall): PromiseLike<unknown>
  doStream(options: AiSdkCall): PromiseLike<{ readonly stream: ReadableStream<unknown> }>
}

export interface AiSdkCall {
  prompt: unknown[]
  maxOutputTokens?: number
  temperature?: number
  topP?: number
  seed?: number
  stopSequences?: string[]
  responseFormat?: unknown
  tools?: unknown[]
  toolChoice?: unknown
  abortSignal?: AbortSignal
}

const MAX_STREAM_CHARS = 8 * 1024 * 1024

export function aiSdkModel(sdk: AiSdkLanguageModel): Model {
  const { specificationVersion, provider, modelId } = sdk
  if (specificationVersion !== 'v3' && specificationVersion !== 'v4') {
    throw new ModelError(
      'Unsupported',
      `specification ${specificationVersion} of the AI SDK is not known: v3 and v4 are`,
    )
  }
  return {
    name: modelId,
    provider,
    async complete(request, { signal, onHeaders, onText }) {
      if (signal.aborted) throw abortError(signal)
      const own = new AbortController()
      const aborted = Promise.withResolvers<never>()
      const stop = (): void => {
        own.abort(signal.reason)
        aborted.reject(abortError(signal))
      }
      signal.addEventListener('abort', stop)
      // Both may fail when only one of them is waited for.
      aborted.promise.catch(() => {})
      let streamedChars: number | undefined
      try {
        const call = { ...callOf(request), abortSignal: own.signal }
        const within = <T>(work: PromiseLike<T>): Promise<T> => Promise.race([work, aborted.promise])
        if (onText === undefined) {
          const { parts, headers } = partsOf(await within(sdk.doGenerate(call)))
          onHeaders?.(headers)
          return answerOfParts(parts, provider)
        }
        streamedChars = 0
        const result = await within(sdk.doStream(call))
        onHeaders?.(partsOf(result).headers)
        const parts: SdkPart[] = []
        const reader = result.stream.getReader()
        for (;;) {
          const { done, value } = await within(reader.read())
          if (done) break
          const [part] = partsOf({ content: [value] }).parts
          if (part === undefined) continue
          if (part.type === 'error') throw part.error
          parts.push(part)
          if (part.type !== 'text-delta' || part.delta === '') continue
          streamedChars += part.delta.length
          if (streamedChars > MAX_STREAM_CHARS) {
            throw new ModelError('AnswerTooLarge', `${provider} sent more than ${MAX_STREAM_CHARS} characters`, {
              provider,
              streamedChars,
            })
          }
          hear(onText, part.delta)
        }
        if (isBrokenOff(parts)) throw unreachable(provider, new Error('the stream ended early'), streamedChars)
        return answerOfParts(parts, provider)
      } catch (error) {
        own.abort()
        if (error instanceof Heard) throw error.cause
        if (signal.aborted) throw abortError(signal)
        throw sdkError(error, provider, streamedChars, onHeaders)
      } finally {
        signal.removeEventListener('abort', stop)
      }
    },
  }
}

/** What a listener threw, which is none of the SDK's errors. */
class Heard extends Error {}

function hear(onText: (delta: string) => void, delta: string): void {
  try {
    onText(delta)
  } catch (error) {
    throw new Heard('a listener failed', { cause: error })
  }
}

function callOf(request: ModelRequest): AiSdkCall {
  const { messages, temperature, maxTokens, topP, seed, stop, format, tools, toolChoice } = request
  const hasTools = tools !== undefined && tools.length > 0
  return {
    prompt: messages.map((message) => messageOf(message, messages)),
    ...(maxTokens !== undefined && { maxOutputTokens: maxTokens }),
    ...(temperature !== undefined && { temperature }),
    ...(topP !== undefined && { topP }),
    ...(seed !== undefined && { seed }),
    ...(stop !== undefined && { stopSequences: [...stop] }),
    ...(format && {
      responseFormat:
        format.kind === 'json'
          ? { type: 'json' }
          : { type: 'json', schema: format.schema, name: format.name ?? 'answer' },
    }),
    ...(hasTools && {
      tools: tools.map(({ name, description, schema }) => ({
        ...{ type: 'function', name, inputSchema: schema },
        ...(description !== undefined && { description }),
      })),
    }),
    ...(hasTools &&
      toolChoice !== undefined && {
        toolChoice: typeof toolChoice === 'object' ? { type: 'tool', toolName: toolChoice.name } : { type: toolChoice },
      }),
  }
}

function messageOf(message: ChatMessage, all: readonly ChatMessage[]): object {
  const text = message.content === '' ? [] : [{ type: 'text', text: message.content }]
  if (message.role === 'tool') {
    const { toolCallId, content } = message
    const calls = all.flatMap((other) => (other.role === 'assistant' ? (other.toolCalls ?? []) : []))
    // The SDK wants the name as well.
    const toolName = calls.find(({ id }) => id === toolCallId)?.name ?? 'unknown'
    return {
      role: 'tool',
      content: [{ type: 'tool-result', toolCallId, toolName, output: { type: 'text', value: content } }],
    }
  }
  if (message.role === 'system') return { role: 'system', content: message.content }
  if (message.role !== 'assistant') return { role: 'user', content: text }
  const calls = message.toolCalls ?? []
  return {
    role: 'assistant',
    content: [
      ...text,
      ...calls.map(({ id, name, input }) => ({ type: 'tool-call', toolCallId: id, toolName: name, input })),
    ],
  }
}
