/** Tool calls out of the fragments that providers send. Pure. */
import type { ModelErrorFields, ToolCall } from './model.ts'
import { parseJson } from './parse-json.ts'
import { malformed } from './provider-call.ts'

export interface CallFragments {
  id: string
  name: string
  /** JSON so far. */
  input: string
}

/**
 * The calls that are whole. Of an answer that was cut off the last one is left out: what it lacks cannot be seen.
 * @throws ModelError for any other that is not whole
 */
export function wholeCalls(calls: readonly CallFragments[], isCut: boolean, fields: ModelErrorFields): ToolCall[] {
  return calls.slice(0, isCut ? -1 : undefined).map(({ id, name, input }, n) => {
    const parsed = input.trim() === '' ? {} : parseJson(input)
    if (name !== '' && isObject(parsed)) return { id: id || `call_${n}`, name, input: parsed }
    throw malformed(fields, 'a tool call without a name, or whose input is no JSON object')
  })
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
