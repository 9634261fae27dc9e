/**
 * Parts of an answer of the AI SDK, whole or as a stream, as an answer of our port. Pure.
 *
 * 1. Parts of a kind that is not known are read over; one that is known and malformed makes the answer so,
 *    except for its usage, which is unknown then.
 */
import { z } from 'zod'
import { type FinishReason, type ModelAnswer, ModelError } from './model.ts'
import { malformed } from './provider-call.ts'
import { wholeCalls } from './tool-call.ts'

const count = z.number().int().nonnegative().optional().catch(undefined)
const Usage = z
  .object({
    inputTokens: z.object({ total: count, cacheRead: count }),
    outputTokens: z.object({ total: count }),
  })
  .optional()
  .catch(undefined)
const Reason = z.object({ unified: z.string(), raw: z.string().optional() })
const Part = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('text-delta'), delta: z.string() }),
  z.object({ type: z.literal('tool-call'), toolCallId: z.string(), toolName: z.string(), input: z.string() }),
  z.object({ type: z.literal('error'), error: z.unknown() }),
  z.object({ type: z.literal('finish'), usage: Usage, finishReason: Reason }),
])
const Kind = z.object({ type: z.string() })
const known = Part.options.map((option) => option.shape.type.value)
const isKnown = (type: string): boolean => known.some((kind) => kind === type)

const Result = z.object({
  content: z.array(z.unknown()).default([]),
  finishReason: Reason.optional(),
  usage: Usage,
  response: z.object({ headers: z.record(z.string(), z.string()).optional() }).optional(),
})

export type SdkPart = z.infer<typeof Part>

/** Of what `doGenerate` gave, with its end as the last part; of a stream, its pieces as `content`. */
export function partsOf(result: unknown): {
  readonly parts: readonly SdkPart[]
  readonly headers: { get(name: string): string | null }
} {
  const { data } = Result.safeParse(result)
  if (data === undefined) throw notAnswer()
  const parts = data.content.flatMap((piece): SdkPart[] => {
    const { data: part } = Part.safeParse(piece)
    const kind = Kind.safeParse(piece).data?.type
    if (part === undefined && (kind === undefined || isKnown(kind))) throw notAnswer()
    return part === undefined ? [] : [part]
  })
  const { finishReason, usage, response } = data
  if (finishReason !== undefined) parts.push({ type: 'finish', finishReason, ...(usage && { usage }) })
  return { parts, headers: headersOf(response?.headers) }
}

export function headersOf(headers: Readonly<Record<string, string>> = {}): { get(name: string): string | null } {
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return { get: (name) => lower.get(name.toLowerCase()) ?? null }
}

/** A server that says nothing of its end gives the reason `other`, with none of its own. */
export function isBrokenOff(parts: readonly SdkPart[]): boolean {
  const end = parts.find((part) => part.type === 'finish')
  return end === undefined || (end.finishReason.unified === 'other' && end.finishReason.raw === undefined)
}

/** @throws ModelError */
export function answerOfParts(parts: readonly SdkPart[], provider: string): ModelAnswer {
  const text = parts
    .map((part) => (part.type === 'text' ? part.text : part.type === 'text-delta' ? part.delta : ''))
    .join('')
  const end = parts.find((part) => part.type === 'finish')
  const reason = end?.finishReason.unified
  if (reason === 'error')
    throw new ModelError('ServerFailed', `${provider} ended the answer with an error`, { provider })
  const calls = parts.flatMap((part) =>
    part.type === 'tool-call' ? [{ id: part.toolCallId, name: part.toolName, input: part.input }] : [],
  )
  const isRefused = reason === 'content-filter'
  const isCut = reason === 'length'
  const toolCalls = isRefused ? [] : wholeCalls(calls, isCut, { provider, status: 200 })
  if (text === '' && toolCalls.length === 0 && !isRefused && !isCut && (end === undefined || reason === 'other')) {
    throw malformed({ provider, status: 200 }, 'neither text nor a tool call')
  }
  const called: FinishReason = toolCalls.length > 0 ? 'tool_calls' : 'stop'
  return {
    text,
    finishReason: isRefused ? 'content_filter' : isCut ? 'length' : called,
    ...(toolCalls.length > 0 && { toolCalls }),
    ...usageOf(end?.usage),
  }
}

function usageOf(usage: z.infer<typeof Usage>): Pick<ModelAnswer, 'usage'> {
  const promptTokens = usage?.inputTokens.total
  const completionTokens = usage?.outputTokens.total
  if (promptTokens === undefined || completionTokens === undefined) return {}
  const cachedTokens = usage?.inputTokens.cacheRead
  return { usage: { promptTokens, completionTokens, ...(cachedTokens !== undefined && { cachedTokens }) } }
}

function notAnswer(): ModelError {
  return new ModelError('MalformedAnswer', 'the AI SDK gave a part of an answer that is none')
}
