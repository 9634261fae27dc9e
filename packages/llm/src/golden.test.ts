/** Model calls of workers and the frames they get, byte by byte, and the codes of both (`test/golden`). */
import { readFileSync } from 'node:fs'
import { toWire } from '@troupe/core'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { decodeCall, decodeCancel, errorFrame, finalFrames, heartbeat } from './frames.ts'
import { lm15Codes } from './lm15.ts'
import { ModelError } from './model.ts'

const golden = z
  .object({ frames: z.array(z.object({ name: z.string(), json: z.record(z.string(), z.unknown()), hex: z.string() })) })
  .transform(({ frames }) => (name: string) => {
    const found = frames.find((frame) => frame.name === name)
    if (found === undefined) throw new Error(`no frame '${name}'`)
    return { ...found, data: new Uint8Array(Buffer.from(found.hex, 'hex')) }
  })
  .parse(JSON.parse(readFileSync(new URL('../../../test/golden/frames.json', import.meta.url), 'utf8')))

const reply = { subject: '_INBOX.x', asJson: false }
const answer = { text: 'Paris', finishReason: 'stop', usage: { promptTokens: 12, completionTokens: 3 } } as const
const fields = { retryAfterMs: 1_500, status: 429, provider: 'p', requestId: 'r' }

test('what a node sends is the frame byte by byte', () => {
  const made = [
    heartbeat(reply),
    ...finalFrames({ id: 'e-1-0a-1', stream: true }, 'm', { kind: 'ok', answer }, reply),
    errorFrame(new ModelError('RateLimited', 'slow down', fields), reply),
  ]
  const names = ['heartbeat', 'event start', 'event delta', 'event end', 'answer', 'error']
  expect(made.map((data) => Buffer.from(data).toString('hex'))).toEqual(names.map((name) => golden(`llm ${name}`).hex))
})

test('a model call of a worker and its cancel are read', () => {
  const message = (name: string) => ({ subject: 's', data: golden(name).data })
  const { id, ...call } = decodeCall(message('llm request'))
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Capital of France?' },
  ]
  expect(call).toMatchObject({ job: 'e-1', parent: null, stream: false, request: { temperature: 0.5, messages } })
  expect(decodeCancel(message('llm cancel'))).toEqual({ ids: [id], job: 'e-1' })
})

type Row = readonly [code: string, retryable: boolean, applied: string]
const rowOf = ({ code, retryable, applied }: { code: string; retryable: boolean; applied: string }): Row => [
  code,
  retryable,
  applied,
]
const sorted = (given: readonly Row[]): Row[] => given.toSorted(([a], [b]) => (a < b ? -1 : 1))

const rows = z
  .object({
    errors: z.array(
      z.object({ code: z.string(), retryable: z.boolean(), applied: z.string(), typescript: z.array(z.string()) }),
    ),
  })
  .transform(({ errors }) => errors.filter(({ typescript }) => typescript.includes('llm')).map(rowOf))
  .parse(JSON.parse(readFileSync(new URL('../../../test/golden/errors.json', import.meta.url), 'utf8')))

const isCode = (code: string): code is keyof typeof lm15Codes => Object.hasOwn(lm15Codes, code)

test('a model call ends with the codes of the table and no others', () => {
  const raised = Object.keys(lm15Codes)
    .filter(isCode)
    .map((code) => rowOf(toWire(new ModelError(code, 'x'))))
  expect(sorted(raised)).toEqual(sorted(rows))
})
