/** What the figures of options may be. A wrong one is refused where it is declared, with what to give instead. */

export interface Range {
  readonly says: string
  readonly holds: (value: number) => boolean
}

export const WHOLE_FROM_1: Range = { says: 'a whole number from 1', holds: (n) => Number.isSafeInteger(n) && n >= 1 }
/** Of what may be without an end: `Infinity` is one. */
export const COUNT_FROM_0: Range = {
  says: 'a whole number from 0, or Infinity',
  holds: (n) => n === Infinity || (Number.isSafeInteger(n) && n >= 0),
}
export const COUNT_FROM_1: Range = {
  says: 'a whole number from 1, or Infinity',
  holds: (n) => n === Infinity || WHOLE_FROM_1.holds(n),
}
export const FROM_0: Range = { says: 'a number from 0', holds: (n) => n >= 0 }
export const ABOVE_0: Range = { says: 'a number above 0', holds: (n) => n > 0 }
/** Of what is written down: JSON knows no Infinity. */
export const FINITE: Range = { says: 'a finite number above 0', holds: (n) => n > 0 && n < Infinity }
export const SHARE: Range = { says: 'a number from 0 to 1', holds: (n) => n >= 0 && n <= 1 }

/**
 * @param of what they are options of, for whoever reads the refusal
 * @throws RangeError
 */
export function check(of: string, range: Range, values: { readonly [name: string]: number | undefined }): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || range.holds(value)) continue
    throw new RangeError(`${of}: ${name} is ${value}; give ${range.says}`)
  }
}
