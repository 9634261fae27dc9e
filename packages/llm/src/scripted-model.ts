/**
 * A model for tests: it answers line by line from a script, and keeps what it was asked.
 *
 * 1. A call takes one line, in the order of the calls; after the last one every call fails and says so.
 * 2. It keeps the port's promises: an abort ends a delay, only `ModelError`s come out, streams join to the text of the answer.
 */
import { type Clock, realClock } from '@troupe/core'
import {
  abortError,
  type CompleteOptions,
  type Model,
  type ModelAnswer,
  ModelError,
  type ModelRequest,
} from './model.ts'

export type Line =
  /** The text of a whole answer. */
  | string
  | ModelAnswer
  | ModelError
  | { readonly afterMs: number; readonly line: Line }
  /** Comes in these pieces when a stream is asked for, then ends or fails. */
  | { readonly stream: readonly string[]; readonly end?: ModelError | Partial<ModelAnswer> }
  | ((request: ModelRequest) => Line | Promise<Line>)

export interface ScriptedModel extends Model {
  readonly asked: readonly ModelRequest[]
}

export interface ScriptOptions {
  /** @defaultValue 'scripted' */
  readonly name?: string
  /** Of delays. @defaultValue the real one */
  readonly clock?: Clock
}

export function scriptedModel(lines: readonly Line[], options: ScriptOptions = {}): ScriptedModel {
  const { name = 'scripted', clock = realClock() } = options
  const asked: ModelRequest[] = []
  const say = async (line: Line, request: ModelRequest, listeners: CompleteOptions): Promise<ModelAnswer> => {
    const { signal, onText } = listeners
    if (signal.aborted) throw abortError(signal)
    if (typeof line === 'function') return say(await line(request), request, listeners)
    if (line instanceof ModelError) throw line
    if (typeof line === 'string') return say({ text: line, finishReason: 'stop' }, request, listeners)
    if ('afterMs' in line) {
      await delay(clock, line.afterMs, signal)
      return say(line.line, request, listeners)
    }
    if ('text' in line) {
      if (line.text !== '') onText?.(line.text)
      return line
    }
    for (const piece of line.stream) onText?.(piece)
    if (line.end instanceof ModelError) throw line.end
    return { finishReason: 'stop', ...line.end, text: line.stream.join('') }
  }
  return {
    name,
    provider: 'script',
    asked,
    complete: async (request, listeners) => {
      const line = lines[asked.length]
      // The messages as they are now: whoever asks may add to them.
      asked.push({ ...request, messages: [...request.messages] })
      if (line === undefined) {
        throw new ModelError('InvalidRequest', `the script has ${lines.length} lines, and this is call ${asked.length}`)
      }
      return say(line, request, listeners)
    },
  }
}

function delay(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      timer.cancel()
      reject(abortError(signal))
    }
    const timer = clock.after(ms, () => {
      signal.removeEventListener('abort', stop)
      resolve()
    })
    signal.addEventListener('abort', stop, { once: true })
  })
}
