import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as build from './build/index.ts'
import * as exported from './index.ts'
import { MALFORMED } from './malformed.ts'

test('every export', () => {
  expect(Object.keys(exported).sort()).toEqual([
    'SignatureRefused',
    'SignaturesNotCompiled',
    'defineSignature',
    'dynamicSignature',
    'signature',
    'signatureFromSpec',
    'signatures',
    'textOf',
  ])
  expect(Object.keys(build).sort()).toEqual(['buildSignatures', 'importedSource'])
})

test('docs/signatures.md shows every message with its text', () => {
  const docs = readFileSync(new URL('../../../docs/signatures.md', import.meta.url), 'utf8')
  const cell = (text: string) => text.replaceAll('|', '\\|')
  for (const [text, message] of MALFORMED) {
    expect(docs).toContain(`| \`${cell(text) || ' '}\` | ${cell(message)} |\n`)
  }
})
