/** The table of error codes that both languages share, against core (`test/golden/errors.json`). */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { errorRows, inOrder, rowOf } from '../../../test/wire/golden.mjs'
import { decodeAnswer } from './envelope.ts'
import * as errors from './errors.ts'

type ErrorClass = new (message: string) => errors.TroupeError
const isErrorClass = (value: unknown): value is ErrorClass =>
  typeof value === 'function' && value.prototype instanceof errors.TroupeError && value !== errors.RemoteError
const members: readonly unknown[] = Object.values(errors)
const raised = members.filter(isErrorClass).map((Class) => rowOf(errors.toWire(new Class('x'))))

test('core raises the codes of the table and no others', () => {
  // Made for bytes that are no answer; it has no class, since no peer sends it.
  const answer = decodeAnswer(new Uint8Array([0xc1]))
  const unreadable = answer.ok ? [] : [rowOf(answer.error)]
  expect(inOrder([...raised, ...unreadable])).toEqual(errorRows('core'))
})

test('the tree drawn at the top of the file is complete', () => {
  const header = /^\/\*\*[\s\S]*?TroupeError\n([\s\S]*?)\n \*\n/.exec(
    readFileSync(new URL('errors.ts', import.meta.url), 'utf8'),
  )
  const drawn = header?.[1]?.match(/\b[A-Z][a-z]+\w*\b/g) ?? []
  expect(drawn.toSorted()).toEqual(raised.map(([code]) => code).toSorted())
})

test('errors/3: an error that crossed a border is what it was; an unknown code keeps its fields', () => {
  for (const [code, retryable, applied] of [...raised, ['NewerThanUs', true, 'unknown'] as const]) {
    const wire = {
      code,
      message: 'm',
      retryable,
      applied: applied === 'no' ? 'no' : 'unknown',
      details: { a: 1 },
    } as const
    const back = errors.fromWire(wire)
    expect(errors.toWire(back)).toEqual(wire)
    expect(back.name).toBe(code === 'NewerThanUs' ? 'RemoteError' : code)
  }
})

test('what a peer says of this message outweighs what its code usually means', () => {
  const told = errors.fromWire({ code: 'MessageTooLarge', message: 'x', retryable: false, applied: 'unknown' })
  expect(told).toBeInstanceOf(errors.MessageTooLarge)
  expect(errors.toWire(told)).toEqual({ code: 'MessageTooLarge', message: 'x', retryable: false, applied: 'unknown' })
})
