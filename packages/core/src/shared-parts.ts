/** Instances that effects of one node share; see `EffectRuntime.shared`. */
import { SystemStopped } from './errors.ts'
import type { EffectRuntime, Shared } from './runtime.ts'

export class SharedParts {
  readonly #parts: Shared[] = []
  readonly #names = new Map<string, Shared[]>()
  #closed = false

  get<T extends Shared>(
    Class: new (runtime: EffectRuntime, name: string) => T,
    runtime: EffectRuntime,
    name: string,
  ): T {
    if (this.#closed) throw new SystemStopped(`system '${runtime.node}' has stopped`, {}, 'no')
    const named = this.#names.get(name) ?? []
    const known = named.find((part) => part instanceof Class)
    if (known instanceof Class) return known
    const fresh = new Class(runtime, name)
    this.#names.set(name, [...named, fresh])
    this.#parts.push(fresh)
    return fresh
  }

  close(): void {
    this.#closed = true
    for (const part of this.#parts) part.close()
  }
}
