// The golden files as tests of the packages read them. JavaScript, so that every package may read it without being built with it.
import { readFileSync } from 'node:fs'

const read = (name) => JSON.parse(readFileSync(new URL(`../golden/${name}`, import.meta.url), 'utf8'))

/** @type {typeof import('./golden.mjs').rowOf} */
export const rowOf = ({ code, retryable, applied }) => [code, retryable, applied]

/** @type {typeof import('./golden.mjs').inOrder} */
export const inOrder = (rows) => rows.toSorted(([a], [b]) => (a < b ? -1 : 1))

/** @type {typeof import('./golden.mjs').errorRows} */
export const errorRows = (raisedBy) =>
  inOrder(
    read('errors.json')
      .errors.filter(({ typescript }) => typescript.includes(raisedBy))
      .map(rowOf),
  )

/** @type {typeof import('./golden.mjs').goldenFrame} */
export function goldenFrame(name) {
  const found = read('frames.json').frames.find((frame) => frame.name === name)
  if (found === undefined) throw new Error(`no frame '${name}'`)
  return { ...found, data: new Uint8Array(Buffer.from(found.hex, 'hex')) }
}
