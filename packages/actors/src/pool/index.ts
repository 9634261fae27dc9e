export { type PoolMachineOptions, poolMachine } from './machine.ts'
export type { WorkerEnd, WorkerEvent, WorkerInput, WorkerLogic, WorkerStop } from './ports.ts'
export {
  POOL_KEY,
  type PoolOutcome,
  type PoolProtocol,
  type PoolStatus,
  poolProtocol,
  type WorkerStatus,
} from './protocol.ts'
