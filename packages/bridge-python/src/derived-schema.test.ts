import { parse } from '@troupe/core'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { derived, withMember } from './derived-schema.ts'

const schema = derived(
  withMember(z.object({ more: z.int().optional() }), 'inputs', z.object({ q: z.string().default('none') })),
  (args) => ({ ...args, signature: 'abc' }),
)

test('what both schemas make of a value is handed on', () => {
  expect(parse(schema, { inputs: {}, more: 1 }, 'it')).toEqual({ inputs: { q: 'none' }, more: 1, signature: 'abc' })
})

test('the issues of both are told with their paths, and nothing is thrown inside of a schema', () => {
  expect(() => parse(schema, { inputs: { q: 1 }, more: 'x' }, 'it')).toThrow(
    /it does not fit its schema: more: .*; inputs\.q: Invalid input: expected string/,
  )
  expect(() => parse(schema, null, 'it')).toThrow('it does not fit its schema')
})

test('asynchronous schemas are refused, not taken for an empty value', () => {
  const slow = { '~standard': { version: 1, vendor: 'test', validate: async (value: unknown) => ({ value }) } } as const
  expect(() =>
    parse(
      derived(slow, (args) => ({ args })),
      {},
      'it',
    ),
  ).toThrow('asynchronous')
  expect(() => parse(withMember(z.object({}), 'inputs', slow), {}, 'it')).toThrow('asynchronous')
  expect(() => parse(withMember(slow, 'inputs', z.object({})), {}, 'it')).toThrow('asynchronous')
})
