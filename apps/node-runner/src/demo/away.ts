/**
 * The kill: SIGKILL of the node that hosts an actor, and how long the actor was away.
 *
 * 1. Away counts from the signal to the first state that the actor shows from another node.
 */
import { type Address, splitAddress } from '@troupe/core'
import type { DemoCluster } from './cluster.ts'

export interface Away {
  readonly victim: string
  readonly pid: number
  readonly successor: string | undefined
  readonly awayMs: number
}

const RETURN_MS = 60_000

/** Undefined when the actor's node is not one of ours. @param show called once the node is dead */
export async function killHostOf(
  cluster: DemoCluster,
  address: Address,
  show: (victim: string, pid: number) => void,
): Promise<Away | undefined> {
  const { node } = await cluster.client.locate(address)
  const victim = cluster.nodes.find(({ name }) => name === node)
  if (victim === undefined) return undefined
  const { name, pid } = victim
  const begun = performance.now()
  await victim.kill()
  show(name, pid)
  const { type, key } = splitAddress(address)
  const anyOf = { type, events: {}, replies: {}, emits: {} }
  await cluster.client.get(anyOf, key).snapshot({ fenced: true, timeoutMs: RETURN_MS })
  const awayMs = Math.round(performance.now() - begun)
  const successor = (await cluster.client.locate(address)).node
  return { victim: name, pid, successor, awayMs }
}
