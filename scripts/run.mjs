// Runs one program to its end, never silently for long, and never leaves it behind: a signal to this process is passed
// on, and this process ends when the program has.
import { spawn } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { say } from './report.mjs'

const BEAT_MS = 3000
const GRACE_MS = 10_000
const SIGNALS = /** @type {const} */ ({ SIGINT: 130, SIGTERM: 143 })

/**
 * @typedef {object} Ended
 * @property {boolean} ok
 * @property {string} output stdout and stderr, in the order of arrival
 * @property {string} why one line: exit code, signal or the reason why it did not start
 * @property {number} seconds
 */

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, shell?: boolean, beat?: string, echo?: boolean }} options
 *   `beat`: what to call the work in a line of progress every three seconds; `echo`: pass its output on as it comes
 * @returns {Promise<Ended>}
 */
export function run(command, args, { cwd, env = process.env, shell = false, beat, echo = false }) {
  return new Promise((resolve) => {
    const startedAt = performance.now()
    const seconds = () => (performance.now() - startedAt) / 1000
    let output = ''
    const child = spawn(command, args, { cwd, env, shell, windowsHide: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const kill = () => void child.kill('SIGKILL')
    /** @type {number | undefined} */
    let exitCode
    /** @param {keyof typeof SIGNALS} signal */
    const stop = (signal) => {
      exitCode = SIGNALS[signal]
      // A terminal has sent SIGINT to the program as well. It is also the signal after which pytest clears up.
      if (signal !== 'SIGINT') child.kill('SIGINT')
      setTimeout(kill, GRACE_MS).unref()
    }
    const timer = beat === undefined ? undefined : setInterval(() => say(`${beat}: ${seconds().toFixed(0)} s`), BEAT_MS)
    /** @param {boolean} ok @param {string} why */
    const end = (ok, why) => {
      clearInterval(timer)
      process.off('exit', kill).off('SIGINT', stop).off('SIGTERM', stop)
      if (exitCode !== undefined) process.exit(exitCode)
      resolve({ ok, output, why, seconds: seconds() })
    }
    process.once('exit', kill).once('SIGINT', stop).once('SIGTERM', stop)
    for (const [from, to] of /** @type {const} */ ([
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ])) {
      from.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
        output += text
        if (echo) to.write(text)
      })
    }
    child.once('error', (error) => end(false, error.message))
    child.once('close', (code, signal) => end(code === 0, signal === null ? `exit ${code}` : `ended by ${signal}`))
  })
}

/** Six lines of what a program said, indented for a message: npm begins with the cause, Python ends with it.
 * @param {Ended} ended @param {'first' | 'last'} which */
export const sixLines = ({ output, why }, which) =>
  (output.trim() || why)
    .split('\n')
    .slice(...(which === 'first' ? [0, 6] : [-6]))
    .map((line) => `    ${line}`)
    .join('\n')
