/** Texts, types and values by chance, for the tests of whoever reads signatures. */
export { CUSTOM, type Dice, randomText, seededDice } from './random-text.ts'
export { randomType, randomValue } from './random-type.ts'
