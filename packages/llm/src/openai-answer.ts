/**
 * Answers of the chat completions format, whole and as a stream, as answers of our port. Pure.
 *
 * 1. A stream has ended well when a `finish_reason` or `[DONE]` has come: some servers send only one of them.
 * 2. Fragments of a tool call belong together by `index`; a server that gives none (Ollama) sends each call whole.
 * 3. Usage and cost that cannot be read are unknown: the answer has been paid for, and stays one.
 * 4. An error object in a stream, with or without `choices` beside it, is the end of the call.
 */
import { z } from 'zod'
import type { FinishReason, ModelAnswer, ModelErrorFields } from './model.ts'
import { parseJson } from './parse-json.ts'
import { malformed, type Reading, type StreamReading } from './provider-call.ts'
import { type CodeOf, errorSaid, streamError } from './provider-errors.ts'
import { type CallFragments, wholeCalls } from './tool-call.ts'

const tokens = z.number().int().nonnegative().optional().catch(undefined)
const Usage = z
  .object({
    prompt_tokens: tokens,
    completion_tokens: tokens,
    cost: z.number().nonnegative().optional().catch(undefined),
    prompt_tokens_details: z.object({ cached_tokens: tokens }).optional().catch(undefined),
  })
  .optional()
  .catch(undefined)
const Call = z.object({
  index: z.number().int().nonnegative().optional(),
  id: z.string().nullish(),
  function: z.object({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
})
const Said = z.object({
  content: z.string().nullish(),
  refusal: z.string().nullish(),
  tool_calls: z.array(Call).nullish(),
})
const Body = z.object({
  choices: z.array(z.object({ message: Said, finish_reason: z.string().nullish() })).min(1),
  usage: Usage,
})
const Chunk = z.object({
  choices: z.array(z.object({ delta: Said.nullish(), finish_reason: z.string().nullish() })).nullish(),
  usage: Usage,
})

interface Collected {
  content: string | undefined
  refusal: string | undefined
  readonly calls: (CallFragments & { readonly key: number | string })[]
  finish: string | undefined
  usage: z.infer<typeof Usage>
}

const nothing = (): Collected => ({
  content: undefined,
  refusal: undefined,
  calls: [],
  finish: undefined,
  usage: undefined,
})

export function openAiReading(codeOf: CodeOf): Reading {
  return {
    whole(text, fields) {
      const { data } = Body.safeParse(parseJson(text))
      const choice = data?.choices[0]
      if (choice === undefined) throw malformed(fields, 'a body that is no chat completion')
      const collected = nothing()
      collect(collected, choice.message)
      collected.finish = choice.finish_reason ?? undefined
      collected.usage = data?.usage
      return answerOf(collected, fields)
    },
    stream: (fields, hear) => openAiStream(fields, hear, codeOf),
  }
}

function openAiStream(fields: ModelErrorFields, hear: (delta: string) => void, codeOf: CodeOf): StreamReading {
  const collected = nothing()
  let done = false
  return {
    take({ data }) {
      if (data.trim() === '[DONE]') {
        done = true
        return true
      }
      const json = parseJson(data)
      const said = errorSaid(json)
      if (said !== undefined) throw streamError(said, fields, codeOf(said.status ?? 500, said.codes, said.message))
      const parsed = Chunk.safeParse(json)
      if (!parsed.success) throw malformed(fields, 'an event that is no chunk of a chat completion')
      const choice = parsed.data.choices?.[0]
      if (choice?.delta) collect(collected, choice.delta)
      // An empty reason beside each piece is none.
      collected.finish = choice?.finish_reason || collected.finish
      collected.usage = parsed.data.usage ?? collected.usage
      if (choice?.delta?.content) hear(choice.delta.content)
      return false
    },
    isWhole: () => collected.finish !== undefined,
    end: () => {
      if (!done && collected.finish === undefined) return undefined
      const answer = answerOf(collected, fields)
      // A refusal is the text when there is no other, and known as such only at the end.
      if (!collected.content && answer.text !== '') hear(answer.text)
      return answer
    },
  }
}

function collect(collected: Collected, said: z.infer<typeof Said>): void {
  if (typeof said.content === 'string') collected.content = (collected.content ?? '') + said.content
  if (typeof said.refusal === 'string') collected.refusal = (collected.refusal ?? '') + said.refusal
  for (const { index, id, function: called } of said.tool_calls ?? []) {
    const key = index ?? id ?? collected.calls.length
    let call = collected.calls.find((known) => known.key === key)
    if (call === undefined || (index === undefined && !id)) {
      call = { key, id: '', name: '', input: '' }
      collected.calls.push(call)
    }
    call.id ||= id ?? ''
    call.name ||= called?.name ?? ''
    call.input += called?.arguments ?? ''
  }
}

/** @throws ModelError */
function answerOf({ content, refusal, calls, finish, usage }: Collected, fields: ModelErrorFields): ModelAnswer {
  const isRefused = finish === 'content_filter' || (!content && Boolean(refusal))
  const isCut = finish === 'length'
  const toolCalls = isRefused ? [] : wholeCalls(calls, isCut, fields)
  const finishReason: FinishReason = isRefused
    ? 'content_filter'
    : isCut
      ? 'length'
      : toolCalls.length > 0
        ? 'tool_calls'
        : 'stop'
  const text = content || refusal || (content ?? (finishReason === 'stop' ? undefined : ''))
  if (text === undefined) throw malformed(fields, 'neither text nor a tool call')
  const promptTokens = usage?.prompt_tokens
  const completionTokens = usage?.completion_tokens
  const cachedTokens = usage?.prompt_tokens_details?.cached_tokens
  return {
    text,
    finishReason,
    ...(toolCalls.length > 0 && { toolCalls }),
    ...(promptTokens !== undefined &&
      completionTokens !== undefined && {
        usage: { promptTokens, completionTokens, ...(cachedTokens !== undefined && { cachedTokens }) },
      }),
    ...(usage?.cost !== undefined && { costUsd: usage.cost }),
  }
}
