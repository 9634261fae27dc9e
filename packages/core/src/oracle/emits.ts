/** The emitted events of a hosted tree as its steps record them: a crash may lose their release, never the record. */
import { decode, type Json } from '../codec.ts'
import type { Made } from '../input.ts'
import { type Names, shown } from './compare.ts'

const REFERENCE = { sessionId: '', getSnapshot: () => ({}) }

export class Emits {
  /** `[id of the actor, event]` */
  readonly events: Json[] = []
  readonly #names: Names
  readonly #ids = new Map([['', 'root']])

  constructor(names: Names) {
    this.#names = names
  }

  note({ children, intents }: Made): void {
    for (const { path, id } of children ?? []) this.#ids.set(path, id)
    for (const { kind, path, data } of intents ?? []) {
      if (kind !== 'emit') continue
      const event = decode(data ?? null, { nameOf: () => undefined, find: (_path, id) => ({ id, ...REFERENCE }) })
      this.events.push([this.#names.of(this.#ids.get(path) ?? path), shown(event, this.#names)])
    }
  }
}
