import type { AnyActorRef } from 'xstate'
import type { HostState } from '../logic-host.ts'
import type { Draw } from '../tape.ts'
import { inside } from '../xstate-inside.ts'

/** What a mutant takes away from the host; nothing for the real one. */
export interface Sabotage {
  /** Applied to the saved state before it is restored. */
  readonly state?: (state: HostState) => HostState
  readonly draws?: (draws: readonly Draw[]) => readonly Draw[]
  readonly resume?: false
  readonly releaseFirst?: true
  readonly relayWhileRestoring?: true
}

/** Lets messages pass in a tree that is being restored; returns what ends it. */
export function relayEverything(root: AnyActorRef): () => void {
  const { system } = inside(root)
  const relay = system._relay
  system._relay = (_source, target, event) => target._send(event)
  return () => {
    system._relay = relay
  }
}
