// What set-up says goes to stderr only: `npm start -- --json` keeps stdout to itself.

/** @param {string} line */
export const say = (line) => void process.stderr.write(`setup: ${line}\n`)

/** Something the user can put right. Its message says what is missing and how to get it. */
export class Problem extends Error {}
