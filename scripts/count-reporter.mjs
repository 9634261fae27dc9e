// Tells scripts/test.mjs what vitest counted, with the reason of each skip (vitest's JSON report leaves it out) and of each failure.
import { writeFileSync } from 'node:fs'

/** @import { Reporter, TestCase, TestModule } from 'vitest/node' */

/** @implements {Reporter} */
// biome-ignore lint/style/noDefaultExport: vitest loads a reporter by its default export
export default class CountReporter {
  /** @param {readonly TestModule[]} modules @param {readonly unknown[]} unhandledErrors */
  onTestRunEnd(modules, unhandledErrors) {
    const tests = modules.flatMap((module) => [...module.children.allTests()])
    const suites = modules.flatMap((module) => [...module.children.allSuites()])
    const states = tests.map((test) => test.result().state)
    // A file that did not load or a hook that threw takes its tests with it; nothing else would count them.
    const broken = [...modules, ...suites].filter((part) => part.errors().length > 0)
    const counts = {
      passed: states.filter((state) => state === 'passed').length,
      failed: states.filter((state) => state === 'failed').length + broken.length + unhandledErrors.length,
      skipped: tests
        .filter((test) => test.result().state === 'skipped')
        .map((test) => ({ name: test.fullName, reason: reasonOf(test) })),
      failures: [
        ...tests.map((test) => ({ name: test.fullName, errors: test.result().errors ?? [] })),
        ...broken.map((part) => ({ name: 'fullName' in part ? part.fullName : part.moduleId, errors: part.errors() })),
        ...(unhandledErrors.length > 0 ? [{ name: 'outside of any test', errors: unhandledErrors }] : []),
      ].flatMap(({ name, errors }) => errors.map((error) => ({ name, reason: messageOf(error) }))),
      unfinished: states.filter((state) => state === 'pending').length,
    }
    writeFileSync(/** @type {string} */ (process.env['TROUPE_TEST_COUNTS']), JSON.stringify(counts))
  }
}

/** @param {unknown} error */
function messageOf(error) {
  return typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error)
}

/** @param {TestCase} test */
function reasonOf(test) {
  const result = test.result()
  if (result.state === 'skipped' && result.note) return result.note
  return test.options.mode === 'todo' ? 'not written yet' : 'no reason given'
}
