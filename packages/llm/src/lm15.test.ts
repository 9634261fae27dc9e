import { describe, expect, test } from 'vitest'
import { decodeRequest, encodeAnswer, encodeError, endEvents, lm15Codes } from './lm15.ts'
import { ModelError } from './model.ts'

/** As `serde.request_to_dict` of DSPy 3.4.1 wrote it for a ChainOfThought call with one example. */
const fromDspy = {
  model: 'bus/local-knn',
  messages: [
    { role: 'user', parts: [{ type: 'text', text: '[[ ## docstring ## ]]\nOpen a tar' }] },
    { role: 'assistant', parts: [{ type: 'text', text: '[[ ## label ## ]]\ntarfile\n\n[[ ## completed ## ]]\n' }] },
    { role: 'user', parts: [{ type: 'text', text: '[[ ## docstring ## ]]\nReceive data\n\nRespond with …' }] },
  ],
  system: 'Your input fields are:\n1. `docstring` (str): the doc',
  config: { max_tokens: 100, temperature: 0.7 },
}

function codeOf(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    if (error instanceof ModelError) return `${error.code}: ${error.message}`
    throw error
  }
  return 'no error'
}

describe('decodeRequest', () => {
  test('reads what DSPy sends', () => {
    expect(decodeRequest(fromDspy)).toEqual({
      messages: [
        { role: 'system', content: 'Your input fields are:\n1. `docstring` (str): the doc' },
        { role: 'user', content: '[[ ## docstring ## ]]\nOpen a tar' },
        { role: 'assistant', content: '[[ ## label ## ]]\ntarfile\n\n[[ ## completed ## ]]\n' },
        { role: 'user', content: '[[ ## docstring ## ]]\nReceive data\n\nRespond with …' },
      ],
      temperature: 0.7,
      maxTokens: 100,
    })
  })

  test('joins the text parts of a message and of the system prompt', () => {
    const parts = [{ type: 'text', text: 'a' }, { type: 'text', text: 'b', continuation: [] }, 'c']
    const request = decodeRequest({
      model: 'm',
      system: [{ type: 'text', text: 's' }],
      messages: [
        { role: 'developer', parts },
        { role: 'user', parts: ['q'] },
      ],
    })
    expect(request.messages).toEqual([
      { role: 'system', content: 's' },
      { role: 'system', content: 'abc' },
      { role: 'user', content: 'q' },
    ])
  })

  test('carries stop, seed, top_p and both answer formats', () => {
    const config = { stop: 'END', seed: 0, top_p: 0.5, response_format: { type: 'json_object' } }
    expect(decodeRequest({ ...fromDspy, config })).toMatchObject({
      stop: ['END'],
      seed: 0,
      topP: 0.5,
      format: { kind: 'json' },
    })
    const schema = { type: 'json_schema', schema: { type: 'object' }, name: 'Out', strict: true }
    expect(decodeRequest({ ...fromDspy, config: { response_format: schema } }).format).toEqual({
      kind: 'json-schema',
      schema: { type: 'object' },
      name: 'Out',
      strict: true,
    })
  })

  test.each([
    [
      'an image',
      { messages: [{ role: 'user', parts: [{ type: 'image', url: 'x' }] }] },
      "messages[0].parts[0] of type 'image'",
    ],
    [
      'a tool of the provider',
      { tools: [{ type: 'builtin', name: 'web' }] },
      'tools[0], which is no function with parameters',
    ],
    [
      'words of a tool',
      { messages: [{ role: 'tool', parts: ['x'] }] },
      'messages[0] with more than the results of tools',
    ],
    [
      'one tool at a time',
      { config: { tool_choice: { mode: 'auto', parallel: false } } },
      'config.tool_choice.parallel',
    ],
    ['another role', { messages: [{ role: 'critic', parts: ['x'] }] }, "messages[0].role 'critic'"],
    ['logprobs', { config: { logprobs: 0 } }, 'config.logprobs'],
    ['extensions', { config: { extensions: { a: 1 } } }, 'config.extensions'],
  ])('lm15/1: refuses %s by its path', (_, change, path) => {
    expect(codeOf(() => decodeRequest({ ...fromDspy, ...change }))).toBe(
      `Unsupported: this model port carries text and tool calls only; the request has ${path}`,
    )
  })

  test('lm15/1: hints without influence on the text are let go', () => {
    const config = { cache: { mode: 'auto' }, store: false, user_id: 'u', service_tier: 'flex' }
    expect(decodeRequest({ ...fromDspy, config })).not.toHaveProperty('temperature')
  })

  test.each([
    ['nothing', undefined],
    ['no messages', { ...fromDspy, messages: [] }],
    ['a message without parts', { ...fromDspy, messages: [{ role: 'user', parts: [] }] }],
    ['temperature 3', { ...fromDspy, config: { temperature: 3 } }],
    ['an answer longer than any', { ...fromDspy, config: { max_tokens: 10_000_001 } }],
  ])('refuses %s as InvalidRequest', (_, value) => {
    expect(codeOf(() => decodeRequest(value))).toMatch(/^InvalidRequest: /)
  })
})

describe('answers', () => {
  const answer = { text: 'hi', finishReason: 'stop', usage: { promptTokens: 3, completionTokens: 2 } } as const

  test('an answer is an lm15 response', () => {
    expect(encodeAnswer('job-1', 'm', answer)).toEqual({
      id: 'job-1',
      model: 'm',
      message: { role: 'assistant', parts: [{ type: 'text', text: 'hi' }] },
      finish_reason: 'stop',
      usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
    })
  })

  test('usage that was not reported is absent, not zero', () => {
    expect(encodeAnswer('job-1', 'm', { text: '', finishReason: 'length' })).not.toHaveProperty('usage')
  })

  test('a tool call is a part of its own, and a delta of its own after the text', () => {
    const toolCalls = [{ id: 'c', name: 'f', input: { a: 1 } }]
    const calling = { text: 'Let me see.', finishReason: 'tool_calls', toolCalls } as const
    expect(encodeAnswer('i', 'm', calling)).toMatchObject({
      finish_reason: 'tool_call',
      message: { parts: [{ type: 'text' }, { type: 'tool_call', id: 'c', name: 'f', input: { a: 1 } }] },
    })
    expect(encodeAnswer('i', 'm', { ...calling, text: '' }).message.parts).toHaveLength(1)
    expect(endEvents(calling)).toEqual([
      { type: 'delta', delta: { type: 'tool_call', part_index: 1, id: 'c', name: 'f', input: '{"a":1}' } },
      { type: 'end', finish_reason: 'tool_call' },
    ])
  })
})

describe('tools', () => {
  const named = (name: string) => ({ type: 'function', name, parameters: { type: 'object' } })
  const choosing = (tool_choice?: object) =>
    decodeRequest({ ...fromDspy, tools: [named('f'), named('g')], config: { ...(tool_choice && { tool_choice }) } })

  test('the ones that the model may use are asked for', () => {
    expect(choosing()).toMatchObject({ tools: [{ name: 'f', schema: { type: 'object' } }, { name: 'g' }] })
    expect(choosing()).not.toHaveProperty('toolChoice')
    expect(choosing({ mode: 'required' })).toMatchObject({ toolChoice: 'required' })
    const one = choosing({ mode: 'required', allowed: ['g'] })
    expect([one.tools?.length, one.toolChoice]).toEqual([1, { name: 'g' }])
    expect(choosing({ mode: 'none' })).toMatchObject({ toolChoice: 'none' })
  })
})

describe('errors', () => {
  /** `_CODE_TO_CLASS` of lm15 in DSPy 3.4.1, and the two codes of ours that workers know. */
  const known = [
    ...['context_length', 'unsupported_model', 'auth', 'billing', 'rate_limit', 'invalid_request', 'timeout', 'server'],
    ...['unsupported_feature', 'not_configured', 'transport', 'provider'],
    ...['cancelled', 'UnsupportedVersion'],
  ]

  test('lm15/2: every code of ours has a code the worker knows', () => {
    expect(Object.values(lm15Codes).filter((code) => !known.includes(code))).toEqual([])
  })

  test('seconds, status, provider and request id go along when known', () => {
    const fields = { retryAfterMs: 1500, status: 429, provider: 'p', requestId: 'r' }
    expect(encodeError(new ModelError('RateLimited', 'slow down', fields))).toEqual({
      code: 'rate_limit',
      message: 'slow down',
      retry_after: 1.5,
      status: 429,
      provider: 'p',
      request_id: 'r',
    })
    expect(encodeError(new ModelError('BudgetExceeded', 'no'))).toEqual({ code: 'billing', message: 'no' })
  })
})
