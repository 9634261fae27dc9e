/** `@troupe/core/testing`: what tests of users need; free of any test framework. */
export { eventually } from './eventually.ts'
export { type ManualClock, manualClock } from './manual-clock.ts'
export { type Mock, mock, withMockedService } from './mocked-service.ts'
export { natsServer, type TestServer } from './nats-server.ts'
export { type TestNamespace, testNamespace } from './test-namespace.ts'
