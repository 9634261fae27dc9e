/** `@troupe/core/nats`: the only part that loads the NATS client. */
export { type NatsBackend, type NatsOptions, nats } from './backend.ts'
export { type InitOptions, type InitStep, initialiseNamespace } from './cluster-init.ts'
export type { NatsDurability, ServerFact } from './durability.ts'
export { type NatsServer, type NatsServerOptions, type ServerPlace, startNatsServer } from './server.ts'
