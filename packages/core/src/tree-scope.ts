/** Where user code inside a machine reaches the world: what it emits, what it logs, and its own actions. */
import { BUILTIN_ACTIONS, type InsideAction, type InsideActor, type InsideEvent } from './xstate-inside.ts'

export interface Scope {
  emit(event: InsideEvent): void
  log(args: readonly unknown[]): void
  /** An action that a user wrote; `run` does it. XState's own actions belong to the step. */
  act(action: InsideAction, run: () => void): void
}

export function captureScope(actor: InsideActor, scope: Scope): void {
  const inside = actor._actorScope
  const execute = inside.actionExecutor
  inside.emit = (event) => scope.emit(event)
  inside.logger = (...args) => scope.log(args)
  inside.actionExecutor = (action) => {
    const { exec } = action
    if (exec === undefined || BUILTIN_ACTIONS.has(action.type)) return execute(action)
    execute({ ...action, exec: () => scope.act(action, () => exec(action.info, action.params)) })
  }
}
