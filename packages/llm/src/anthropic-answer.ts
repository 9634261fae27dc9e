/**
 * Answers of Anthropic's format, whole and as a stream, as answers of our port. Pure.
 *
 * 1. Tokens of the prompt are all of them: the format counts those read from the cache, and written to it, apart.
 * 2. Events and blocks of a kind that is not known are read over, as the format asks of its readers.
 * 3. Usage that cannot be read is unknown: the answer has been paid for, and stays one.
 * 4. A stream has ended well with `message_stop`, or once a `message_delta` has said why the answer stopped.
 */
import { z } from 'zod'
import type { FinishReason, ModelAnswer, ModelErrorFields } from './model.ts'
import { parseJson } from './parse-json.ts'
import { malformed, type Reading, type StreamReading } from './provider-call.ts'
import { type CodeOf, errorSaid, streamError } from './provider-errors.ts'
import { type CallFragments, wholeCalls } from './tool-call.ts'

const tokens = z.number().int().nonnegative()
/** A sum of which one part cannot be read is unknown. */
const Usage = z
  .object({
    input_tokens: tokens.nullish(),
    output_tokens: tokens.nullish(),
    cache_creation_input_tokens: tokens.nullish(),
    cache_read_input_tokens: tokens.nullish(),
  })
  .nullish()
  .catch(undefined)
const Block = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: z.unknown().optional() }),
])
/** A kind that we read is not to pass for one that we do not know because it is malformed. */
const otherThan = (...known: readonly string[]) =>
  z.object({ type: z.string().refine((type) => !known.includes(type)) })
const OtherBlock = otherThan('text', 'tool_use')
const OtherDelta = otherThan('text_delta', 'input_json_delta')
const Kind = z.object({ type: z.string() })
const Body = z.object({
  content: z.array(z.union([Block, OtherBlock])),
  stop_reason: z.string().nullish(),
  usage: Usage,
})
const index = z.number().int().nonnegative()
const Delta = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text_delta'), text: z.string() }),
  z.object({ type: z.literal('input_json_delta'), partial_json: z.string() }),
])
const Event = z.discriminatedUnion('type', [
  z.object({ type: z.literal('message_start'), message: z.object({ usage: Usage }) }),
  z.object({ type: z.literal('content_block_start'), index, content_block: z.union([Block, OtherBlock]) }),
  z.object({ type: z.literal('content_block_delta'), index, delta: z.union([Delta, OtherDelta]) }),
  z.object({
    type: z.literal('message_delta'),
    delta: z.object({ stop_reason: z.string().nullish() }),
    usage: Usage,
  }),
  z.object({ type: z.literal('message_stop') }),
])

interface Collected {
  text: string
  readonly calls: Map<number, CallFragments>
  stop: string | undefined
  usage: NonNullable<z.infer<typeof Usage>>
}

export function anthropicReading(codeOf: CodeOf): Reading {
  return {
    whole(body, fields) {
      const { data } = Body.safeParse(parseJson(body))
      if (data === undefined) throw malformed(fields, 'a body that is no message')
      const collected = nothing()
      data.content.forEach((block, n) => {
        open(collected, n, block)
        if (block.type === 'tool_use' && 'input' in block) close(collected, n, block.input)
      })
      collected.stop = data.stop_reason ?? undefined
      collected.usage = data.usage ?? {}
      return answerOf(collected, fields)
    },
    stream: (fields, hear) => anthropicStream(fields, hear, codeOf),
  }
}

function anthropicStream(fields: ModelErrorFields, hear: (delta: string) => void, codeOf: CodeOf): StreamReading {
  const collected = nothing()
  let done = false
  const say = (text: string): void => {
    collected.text += text
    if (text !== '') hear(text)
  }
  return {
    take({ data }) {
      const json = parseJson(data)
      const said = errorSaid(json)
      if (said !== undefined) throw streamError(said, fields, codeOf(500, said.codes, said.message))
      const { data: kind } = Kind.safeParse(json)
      if (kind === undefined) throw malformed(fields, 'an event without a type')
      if (!Event.options.some((option) => option.shape.type.value === kind.type)) return false
      const { data: event } = Event.safeParse(json)
      if (event === undefined) throw malformed(fields, `an event ${kind.type} that is none`)
      switch (event.type) {
        case 'message_start':
          // What it says of the answer is not its end.
          collected.usage = { ...event.message.usage, output_tokens: undefined }
          break
        case 'content_block_start':
          if (event.content_block.type === 'text' && 'text' in event.content_block) say(event.content_block.text)
          else open(collected, event.index, event.content_block)
          break
        case 'content_block_delta': {
          const { delta } = event
          const call = collected.calls.get(event.index)
          if ('text' in delta) say(delta.text)
          else if ('partial_json' in delta && call !== undefined) call.input += delta.partial_json
          break
        }
        case 'message_delta':
          collected.stop = event.delta.stop_reason || collected.stop
          collected.usage = { ...collected.usage, ...counted(event.usage) }
          break
        case 'message_stop':
          done = true
      }
      return done
    },
    isWhole: () => collected.stop !== undefined,
    end: () => (done || collected.stop !== undefined ? answerOf(collected, fields) : undefined),
  }
}

const nothing = (): Collected => ({ text: '', calls: new Map(), stop: undefined, usage: {} })

/** What a later event does not repeat stays. */
function counted(usage: z.infer<typeof Usage>): Collected['usage'] {
  return Object.fromEntries(Object.entries(usage ?? {}).filter(([, count]) => typeof count === 'number'))
}

function open(collected: Collected, n: number, block: z.infer<typeof Block> | z.infer<typeof Kind>): void {
  if ('text' in block) collected.text += block.text
  if ('name' in block) collected.calls.set(n, { id: block.id, name: block.name, input: '' })
}

function close({ calls }: Collected, n: number, input: unknown): void {
  const call = calls.get(n)
  if (call !== undefined) call.input = JSON.stringify(input ?? {})
}

/** @throws ModelError */
function answerOf({ text, calls, stop, usage }: Collected, fields: ModelErrorFields): ModelAnswer {
  const isCut = stop === 'max_tokens' || stop === 'model_context_window_exceeded'
  const isRefused = stop === 'refusal'
  const toolCalls = isRefused ? [] : wholeCalls([...calls.values()], isCut, fields)
  const called: FinishReason = toolCalls.length > 0 ? 'tool_calls' : 'stop'
  const { input_tokens: read, output_tokens: completionTokens } = usage
  const cachedTokens = usage.cache_read_input_tokens
  return {
    text,
    finishReason: isRefused ? 'content_filter' : isCut ? 'length' : called,
    ...(toolCalls.length > 0 && { toolCalls }),
    ...(typeof read === 'number' &&
      typeof completionTokens === 'number' && {
        usage: {
          promptTokens: read + (cachedTokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
          completionTokens,
          ...(typeof cachedTokens === 'number' && { cachedTokens }),
        },
      }),
  }
}
