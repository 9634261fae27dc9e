/** The golden files themselves, and what of them the public packages alone can read. */
import { readFileSync } from 'node:fs'
import { RevisionConflict } from '@troupe/actors'
import { toWire, unpackWire } from '@troupe/core'
import { expect, test } from 'vitest'
import { z } from 'zod'

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../golden/${name}`, import.meta.url), 'utf8'))

const { errors } = z
  .strictObject({
    v: z.literal(1),
    about: z.string(),
    errors: z.array(
      z.strictObject({
        code: z.string().regex(/^[A-Z][A-Za-z]+$/),
        retryable: z.boolean(),
        applied: z.enum(['no', 'unknown']),
        typescript: z.array(z.enum(['core', 'actors', 'bridge-python', 'llm', 'resilience'])),
        python: z.boolean(),
        meaning: z.string().regex(/^[A-Z].*\.$/),
      }),
    ),
  })
  .parse(read('errors.json'))

const { frames } = z
  .strictObject({
    v: z.literal(1),
    about: z.string(),
    frames: z.array(
      z.strictObject({
        name: z.string(),
        by: z.enum(['node', 'worker', 'client']),
        format: z.enum(['msgpack', 'json']),
        json: z.record(z.string(), z.unknown()),
        hex: z.string().regex(/^([0-9a-f]{2})+$/),
      }),
    ),
  })
  .parse(read('frames.json'))

test('every code and every frame has one entry, and every code somebody who raises it', () => {
  expect(new Set(errors.map(({ code }) => code)).size).toBe(errors.length)
  expect(new Set(frames.map(({ name }) => name)).size).toBe(frames.length)
  expect(errors.filter(({ typescript, python }) => typescript.length === 0 && !python)).toEqual([])
})

test('the only error of the actors package is in the table', () => {
  const { message: _, ...conflict } = toWire(new RevisionConflict('x'))
  expect(errors.filter(({ typescript }) => typescript.includes('actors'))).toMatchObject([conflict])
})

test.each(frames)("'$name' is read as its view", ({ hex, format, json }) => {
  expect(viewOf(unpackWire(Buffer.from(hex, 'hex'), format === 'json'))).toEqual(json)
})

/** Bytes as the files show them. */
function viewOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') }
  if (Array.isArray(value)) return value.map(viewOf)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, viewOf(item)]))
}
