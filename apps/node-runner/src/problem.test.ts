import { Disconnected, LogDamaged } from '@troupe/core'
import { expect, test } from 'vitest'
import { blockOf, EXIT, Problem, problemOf } from './problem.ts'

test('errors of the runtime become exit codes by their code', () => {
  expect(EXIT[problemOf(new Disconnected('no server')).exit]).toBe(4)
  expect(EXIT[problemOf(new LogDamaged('the chain breaks')).exit]).toBe(1)
  expect(problemOf(new TypeError('a bug'))).toMatchObject({ code: 'Unexpected', what: /a bug[\s\S]*at / })
})

test('a problem is one block: what, the likely cause, the fix', () => {
  const facts = {
    code: 'NoRun',
    exit: 'notFound',
    what: 'there is none',
    likely: 'a typo',
    fix: 'troupe demo',
  } as const
  expect(problemOf(new Problem(facts))).toBe(facts)
  expect(blockOf(facts)).toBe('error NoRun: there is none\n  likely  a typo\n  fix     troupe demo\n')
})
