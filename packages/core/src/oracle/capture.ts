/** Lets a test see the live root of a hosted tree, which the host itself shows to nobody. */
import type { AnyActorLogic, AnyActorRef } from 'xstate'

/** The same logic, telling `seen` the actor it is given to. */
export function captured(logic: AnyActorLogic, seen: (root: AnyActorRef) => void): AnyActorLogic {
  const { getInitialSnapshot, restoreSnapshot } = logic
  const own: AnyActorLogic = Object.create(logic)
  own.getInitialSnapshot = (scope, input) => {
    seen(scope.self)
    return getInitialSnapshot(scope, input)
  }
  if (restoreSnapshot !== undefined) {
    own.restoreSnapshot = (snapshot, scope) => {
      seen(scope.self)
      return restoreSnapshot(snapshot, scope)
    }
  }
  return own
}
