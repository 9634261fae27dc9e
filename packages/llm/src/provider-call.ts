/**
 * One HTTP call to a provider, the same for every wire format.
 *
 * 1. One request; redirects are not followed, so the key goes to the configured host only.
 * 2. The key is in no error: what the provider says is cut and searched for it. Headers of a request are in none either.
 * 3. Time limits come from the signal alone (and from the fetch implementation: 300 s without headers, or without a byte).
 * 4. A stream whose answer is whole is waited for no longer than `last-words.ts` says.
 * 5. However the call ends, its connection is free or closed then, and nothing listens to the signal any more.
 * 6. No answer has more than `MAX_BODY_BYTES`, no stream more than `MAX_STREAM_BYTES` on the wire: `AnswerTooLarge`.
 */
import type { Clock } from '@troupe/core'
import { LastWords } from './last-words.ts'
import {
  abortError,
  type CompleteOptions,
  type ModelAnswer,
  ModelError,
  type ModelErrorCode,
  type ModelErrorFields,
} from './model.ts'
import { type CodeOf, httpError, unreachable } from './provider-errors.ts'
import { type SseEvent, SseReader, SseTooLarge } from './sse.ts'

export const MAX_BODY_BYTES = 8 * 1024 * 1024
/** Each token of a stream is wrapped in some hundred bytes. */
export const MAX_STREAM_BYTES = 64 * 1024 * 1024
const MAX_PROVIDER_TEXT = 300

export interface Provider {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly apiKey: string | undefined
  /** Instead of the global one: to record and to replay. */
  readonly fetch: typeof fetch | undefined
  readonly clock: Clock
  readonly requestIdHeader: string
  readonly codeOf: CodeOf
}

/** What a wire format makes of an answer with status 200. */
export interface Reading {
  whole(body: string, fields: ModelErrorFields): ModelAnswer
  /** Of an answer that came as a stream; throws when an event says that the provider failed. */
  stream(fields: ModelErrorFields, hear: (delta: string) => void): StreamReading
}

export interface StreamReading {
  /** True for the last event: nothing is read after it. */
  take(event: SseEvent): boolean
  /** Whether only what is told about the answer may still come. */
  isWhole(): boolean
  /** Undefined when the stream has ended before the answer had. */
  end(): ModelAnswer | undefined
}

/** @throws ModelError for a base URL or a key that cannot be used */
export function providerUrl(baseUrl: string, path: string, apiKey: string | undefined): URL {
  const url = URL.parse(`${baseUrl.replace(/\/+$/, '')}${path}`)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new ModelError(
      'InvalidRequest',
      'the base URL must be http(s)://host[:port][/path] without a user name or password; give the key as apiKey',
    )
  }
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new ModelError('Unauthorized', 'the API key holds spaces or characters that no HTTP header can carry')
  }
  return url
}

export async function callProvider(
  provider: Provider,
  body: object,
  { signal, onHeaders, onText }: CompleteOptions,
  reading: Reading,
): Promise<ModelAnswer> {
  if (signal.aborted) throw abortError(signal)
  // A controller of our own: fetch would listen to the caller's signal until the garbage collector comes by.
  const call = new AbortController()
  const stop = (): void => call.abort(signal.reason)
  signal.addEventListener('abort', stop)
  const { url, apiKey } = provider
  const clean = (text: string): string =>
    (apiKey === undefined ? text : text.replaceAll(apiKey, '***')).slice(0, MAX_PROVIDER_TEXT)
  const toError = (error: unknown, streamedChars?: number): ModelError =>
    signal.aborted ? abortError(signal) : unreachable(url.host, error, streamedChars)
  let whole = false
  try {
    const response = await (provider.fetch ?? fetch)(url, {
      method: 'POST',
      redirect: 'manual',
      signal: call.signal,
      headers: { 'content-type': 'application/json', ...provider.headers },
      body: JSON.stringify(body),
    }).catch((error: unknown) => {
      throw error instanceof ModelError ? error : toError(error)
    })
    onHeaders?.(response.headers)
    const requestId = response.headers.get(provider.requestIdHeader)
    const fields: ModelErrorFields = {
      provider: url.host,
      status: response.status,
      ...(requestId !== null && { requestId: clean(requestId) }),
    }
    const streams = onText !== undefined && response.status === 200 && !isJson(response)
    if (streams) {
      const read = await readStream(response, fields, reading.stream, provider.clock, onText, clean, toError)
      whole = read.whole
      return read.answer
    }
    const text = await readBody(response, fields, toError)
    whole = true
    if (response.status !== 200) throw httpError(response, text, fields, provider.codeOf, clean)
    const answer = reading.whole(text, fields)
    // Servers that know no streams answer with the whole.
    if (answer.text !== '') onText?.(answer.text)
    return answer
  } finally {
    signal.removeEventListener('abort', stop)
    if (!whole) call.abort()
  }
}

const isJson = ({ headers }: Response): boolean => /\bjson\b/i.test(headers.get('content-type') ?? '')

type ToError = (error: unknown, streamedChars?: number) => ModelError

async function readBody(response: Response, fields: ModelErrorFields, toError: ToError): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of chunksOf(response, MAX_BODY_BYTES, fields, toError)) {
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

async function readStream(
  response: Response,
  fields: ModelErrorFields,
  streamOf: Reading['stream'],
  clock: Clock,
  onText: (delta: string) => void,
  clean: (text: string) => string,
  toError: ToError,
): Promise<{ readonly answer: ModelAnswer; readonly whole: boolean }> {
  let streamedChars = 0
  const stream = streamOf(fields, (delta) => {
    streamedChars += delta.length
    onText(delta)
  })
  const events = new SseReader()
  let seen = false
  let whole = false
  const broken = (error: unknown) => toError(error, streamedChars)
  const chunks = chunksOf(response, MAX_STREAM_BYTES, fields, broken)
  let lastWords: LastWords | undefined
  try {
    for (let done = false; !done; ) {
      if (stream.isWhole()) lastWords ??= new LastWords(clock)
      const next = await (lastWords?.of(chunks.next()) ?? chunks.next())
      if (next === undefined) break
      const chunk = next.value
      whole = chunk === undefined
      done = whole
      for (const event of chunk === undefined ? [] : events.read(chunk)) {
        seen = true
        done = stream.take(event)
        if (done) break
      }
    }
    whole ||= await isOver(chunks)
  } catch (error) {
    if (error instanceof SseTooLarge) throw tooLarge(fields, error.message, streamedChars)
    if (!(error instanceof ModelError) || error.fields.streamedChars !== undefined) throw error
    // Whoever has said something has worked: a refusal then is none.
    const code = streamedChars > 0 && error.applied === 'no' ? 'ServerFailed' : error.code
    throw new ModelError(code, clean(error.message), { ...error.fields, streamedChars }, error.cause)
  } finally {
    lastWords?.stop()
  }
  const answer = stream.end()
  if (answer !== undefined) return { answer, whole }
  if (!seen) throw malformed(fields, 'a body that is no stream of events', streamedChars)
  throw broken(new Error('the stream ended before the answer'))
}

/**
 * Whether the body ends with the last event, as it should: then its connection can be used again. Nothing waits for a body that does not.
 */
async function isOver(chunks: AsyncGenerator<Uint8Array, void>): Promise<boolean> {
  const next = chunks.next().then(
    ({ done }) => done === true,
    () => false,
  )
  return Promise.race([next, new Promise<false>((resolve) => setImmediate(resolve, false))])
}

async function* chunksOf(
  response: Response,
  maxBytes: number,
  fields: ModelErrorFields,
  toError: (error: unknown) => ModelError,
): AsyncGenerator<Uint8Array, void> {
  if (response.body === null) return
  const reader = response.body.getReader()
  let sizeBytes = 0
  for (;;) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      throw toError(error)
    })
    if (done) return
    sizeBytes += value.byteLength
    if (sizeBytes > maxBytes) {
      throw tooLarge(fields, `more than ${maxBytes} bytes`)
    }
    yield value
  }
}

export function malformed(fields: ModelErrorFields, what: string, streamedChars?: number): ModelError {
  return unusable('MalformedAnswer', fields, what, streamedChars)
}

function tooLarge(fields: ModelErrorFields, what: string, streamedChars?: number): ModelError {
  return unusable('AnswerTooLarge', fields, what, streamedChars)
}

function unusable(code: ModelErrorCode, fields: ModelErrorFields, what: string, streamedChars?: number): ModelError {
  return new ModelError(code, `${fields.provider} answered ${fields.status} with ${what}`, {
    ...fields,
    ...(streamedChars !== undefined && { streamedChars }),
  })
}
