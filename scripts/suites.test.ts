import { expect, it } from 'vitest'
import { countJunit } from './suites.mjs'

it('counts a JUnit report of pytest, with the reason of each skip and failure', () => {
  const report = `<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1"
    failures="1" skipped="1" tests="5" time="0.04"><testcase classname="tests.test_bus" name="test_a" time="0.001" />
    <testcase classname="tests.test_bus" name="test_b"><skipped type="pytest.skip" message="no nats-server &amp; none &quot;here&quot;">x</skipped></testcase>
    <testcase classname="tests.test_bus" name="test_c"><failure message="boom">x</failure></testcase></testsuite></testsuites>`
  expect(countJunit(report)).toEqual({
    passed: 2,
    failed: 2,
    skipped: [{ name: 'tests.test_bus.test_b', reason: 'no nats-server & none "here"' }],
    failures: [{ name: 'tests.test_bus.test_c', reason: 'boom' }],
  })
})
