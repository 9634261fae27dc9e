/**
 * The port to a language model, and the errors a call can end with.
 *
 * 1. `complete` of a client makes at most one provider call: whoever calls it owns retries, as `retried` does for its callers.
 * 2. It settles soon after `signal` aborts, with the signal's reason when that is a `ModelError`.
 * 3. It rejects with `ModelError` only, or with what a listener of its options threw, which ends the call. `applied: 'unknown'`
 *    means: the provider may have done, and billed, the work.
 * 4. No key and no header of a request is ever part of an error.
 * 5. The texts that `onText` hears are, joined, the text of the answer. A stream that breaks off is an error of this call, with
 *    `streamedChars` heard until then; nothing takes them back, and nothing here asks again.
 * 6. A tool call in an answer is whole: one that was cut off, or whose input is no JSON object, is never given.
 */
import { type Applied, type Details, TroupeError } from '@troupe/core'

/** What a model asks to have done. The id is the provider's, and names the call in the message with its result. */
export interface ToolCall {
  readonly id: string
  readonly name: string
  /** JSON, not checked against the tool's schema. */
  readonly input: unknown
}

export interface ToolSpec {
  readonly name: string
  readonly description?: string
  /** JSON Schema of the input, an object. */
  readonly schema: unknown
}

export type ToolChoice = 'auto' | 'required' | 'none' | { readonly name: string }

export type ChatMessage =
  | { readonly role: 'system' | 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content: string; readonly toolCalls?: readonly ToolCall[] }
  | { readonly role: 'tool'; readonly toolCallId: string; readonly content: string }

export type AnswerFormat =
  | { readonly kind: 'json' }
  | { readonly kind: 'json-schema'; readonly schema: unknown; readonly name?: string; readonly strict?: boolean }

export interface ModelRequest {
  readonly messages: readonly ChatMessage[]
  readonly temperature?: number
  readonly maxTokens?: number
  readonly topP?: number
  readonly seed?: number
  readonly stop?: readonly string[]
  readonly format?: AnswerFormat
  readonly tools?: readonly ToolSpec[]
  /** @defaultValue 'auto' when there are tools */
  readonly toolChoice?: ToolChoice
}

export interface Usage {
  /** Cached ones included. */
  readonly promptTokens: number
  readonly completionTokens: number
  /** Of the prompt, read from the provider's cache. */
  readonly cachedTokens?: number
}

export type FinishReason = 'stop' | 'length' | 'content_filter' | 'tool_calls'

export interface ModelAnswer {
  readonly text: string
  readonly finishReason: FinishReason
  /** Absent or at least one. */
  readonly toolCalls?: readonly ToolCall[]
  /** Absent when the provider did not report it: unknown is not zero. */
  readonly usage?: Usage
  /** What the provider itself says the call cost. */
  readonly costUsd?: number
}

export interface CompleteOptions {
  readonly signal: AbortSignal
  /** Hears the headers of the provider's answer, also of a refusal: they tell its limits. */
  readonly onHeaders?: ((headers: { get(name: string): string | null }) => void) | undefined
  /** Its presence asks for a stream: it hears the text as it comes. The whole answer still comes at the end. */
  readonly onText?: ((delta: string) => void) | undefined
}

export interface Model {
  readonly name: string
  readonly provider: string
  complete(request: ModelRequest, options: CompleteOptions): Promise<ModelAnswer>
}

/** What each code means to a caller: ask again later or not, and whether the provider may have worked for us. */
const codes = {
  Unauthorized: { retryable: false, applied: 'no' },
  /** The provider's own limit on money; ours is `BudgetExceeded`. */
  QuotaExhausted: { retryable: false, applied: 'no' },
  BudgetExceeded: { retryable: false, applied: 'no' },
  PriceUnknown: { retryable: false, applied: 'no' },
  RateLimited: { retryable: true, applied: 'no' },
  /** Our own queue is full. */
  Busy: { retryable: true, applied: 'no' },
  /** It has failed too often of late, and is left alone for a while. */
  BreakerOpen: { retryable: true, applied: 'no' },
  ContextTooLong: { retryable: false, applied: 'no' },
  /** None of the routes can do what is needed. */
  NoRoute: { retryable: false, applied: 'no' },
  UnknownModel: { retryable: false, applied: 'no' },
  InvalidRequest: { retryable: false, applied: 'no' },
  Unsupported: { retryable: false, applied: 'no' },
  UnsupportedVersion: { retryable: false, applied: 'no' },
  Timeout: { retryable: true, applied: 'unknown' },
  Cancelled: { retryable: false, applied: 'unknown' },
  ServerFailed: { retryable: true, applied: 'unknown' },
  Unreachable: { retryable: true, applied: 'unknown' },
  MalformedAnswer: { retryable: true, applied: 'unknown' },
  AnswerTooLarge: { retryable: false, applied: 'unknown' },
  /** A whole answer that does not fit the signature, after all that was done about it: another time would do it all again. */
  ResultRefused: { retryable: false, applied: 'unknown' },
} as const satisfies Record<string, { retryable: boolean; applied: Applied }>

export type ModelErrorCode = keyof typeof codes

export interface ModelErrorFields {
  readonly retryAfterMs?: number
  /** HTTP status of the provider. */
  readonly status?: number
  readonly provider?: string
  readonly requestId?: string
  /** Characters of a broken stream that `onText` has heard. */
  readonly streamedChars?: number
}

export class ModelError extends TroupeError {
  readonly code: ModelErrorCode
  override readonly retryable: boolean
  override readonly applied: Applied
  readonly fields: ModelErrorFields

  constructor(code: ModelErrorCode, message: string, fields: ModelErrorFields = {}, cause?: unknown) {
    const details: Details = { ...fields }
    super(message, details, cause)
    this.code = code
    this.retryable = codes[code].retryable
    this.applied = codes[code].applied
    this.fields = fields
  }
}

/** The error a call ends with when its signal aborts. */
export function abortError(signal: AbortSignal): ModelError {
  const reason: unknown = signal.reason
  if (reason instanceof ModelError) return reason
  const timedOut =
    (reason instanceof DOMException && reason.name === 'TimeoutError') ||
    (reason instanceof TroupeError && reason.code === 'Timeout')
  return timedOut
    ? new ModelError('Timeout', 'the model did not answer in the time given')
    : new ModelError('Cancelled', 'the model call was cancelled')
}

/** Anything a model threw that is no `ModelError` breaks the port's promise 3; it is reported, never passed on raw. */
export function asModelError(error: unknown, signal: AbortSignal): ModelError {
  if (error instanceof ModelError) return error
  if (signal.aborted) return abortError(signal)
  const name = error instanceof Error ? error.name : typeof error
  return new ModelError(
    'ServerFailed',
    `the model client failed with ${name}, which is a bug of that client`,
    {},
    error,
  )
}
