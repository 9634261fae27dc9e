/** The `types` of XState's `setup` for a machine that lives inside an actor and so has no protocol of its own. */
import type { EventObject, MachineContext, NonReducibleUnknown } from 'xstate'

export function machineTypes<
  C extends MachineContext,
  I extends NonReducibleUnknown,
  E extends EventObject = EventObject,
>(): {
  readonly context?: C
  readonly input?: I
  readonly events?: E
} {
  return {}
}
