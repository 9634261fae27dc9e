import { expect, test } from 'vitest'
import { actors } from './app.ts'
import { runtimeParsed, signature } from './signatures.gen.ts'

test('the demo reads no signature at run time, and could not', () => {
  expect(actors.length).toBeGreaterThan(0)
  expect(runtimeParsed()).toEqual([])
  expect(() => signature('a new: str -> text' as never)).toThrow("run 'troupe signatures build'")
})
