/**
 * Who is in the cluster: the members as the store tells of them, and the view that its keepers write for all.
 *
 * 1. A member is taken out of the view when its key is gone, never because word of it is late.
 * 2. The word of a watch and the answer to a write come in any order; neither hides a newer view.
 * 3. A member id is never used again: one whose key is gone is dead for ever.
 */
import { keyBytes, memberIn, viewIn } from './cluster-keys.ts'
import { keepsView, type Member, sameMembers, type View } from './placement.ts'
import type { Store, StoreChange } from './ports.ts'

export class Roster {
  readonly #store: Store
  readonly #members = new Map<string, Member>()
  readonly #dead = new Set<string>()
  #view: { readonly view: View; readonly revision: number } | undefined

  constructor(store: Store) {
    this.#store = store
  }

  get view(): View {
    return this.#view?.view ?? NOBODY
  }

  /** The living nodes that serve a type with this logic. */
  servedBy(type: string, logic: string): readonly string[] {
    return [...this.#members.values()].filter(({ logics }) => logics?.[type] === logic).map(({ node }) => node)
  }

  /** Whether a member is among the keepers of the view, or would be without another. */
  isKeeper(id: string, without?: string): boolean {
    const others = [...this.#members.values()].filter((member) => member.id !== without)
    return keepsView(others, id)
  }

  has(id: string): boolean {
    return this.#members.has(id)
  }

  /** The next one in the ring of all, so that each is somebody's neighbour. */
  neighbourOf(id: string): string | undefined {
    const ids = [...this.#members.keys()].sort()
    const next = ids[(ids.indexOf(id) + 1) % ids.length]
    return next === id ? undefined : next
  }

  /** Whether its lease is over. Asks the store when no word of it has come. */
  async hasEnded(id: string): Promise<boolean> {
    return this.#dead.has(id) || (await this.#store.get(`member.${id}`)) === undefined
  }

  /** Of a key under `member.`; false when it says nothing new, as of a lease that was renewed. */
  memberChanged(change: StoreChange): boolean {
    if (change.kind === 'removed') {
      const id = change.key.slice('member.'.length)
      this.#members.delete(id)
      this.#dead.add(id)
      return true
    }
    const member = memberIn(change.entry.value)
    const known = member && this.#members.get(member.id)
    if (member === undefined || (known !== undefined && sameMembers([known], [member]))) return false
    this.#members.set(member.id, member)
    return true
  }

  /** Of the key `view`; false when it cannot be read. */
  viewChanged(change: StoreChange): boolean {
    const view = change.kind === 'put' ? viewIn(change.entry.value) : undefined
    if (view === undefined || change.kind === 'removed') return false
    this.#see(view, change.entry.revision)
    return true
  }

  /** Writes the view when this member is one of its keepers and it is not what it should be. */
  async keepView(me: string): Promise<void> {
    if (!this.isKeeper(me)) return
    const current = this.#view
    const members = [...this.#members.values(), ...(await this.#unheardOf(current?.view.members ?? []))]
    if (current !== undefined && sameMembers(current.view.members, members)) return
    const shown = members.map(({ id, node, groups }) => ({ id, node, groups }))
    const view: View = { version: (current?.view.version ?? 0) + 1, members: shown }
    const revision =
      current === undefined
        ? await this.#store.create('view', keyBytes(view))
        : await this.#store.update('view', keyBytes(view), current.revision)
    // Undefined: another keeper was first, and the watch brings what it wrote.
    if (revision !== undefined) this.#see(view, revision)
  }

  #see(view: View, revision: number): void {
    if (revision > (this.#view?.revision ?? 0)) this.#view = { view, revision }
  }

  /** The view may have come before the word of a member in it. */
  async #unheardOf(shown: readonly Member[]): Promise<readonly Member[]> {
    const unknown = shown.filter(({ id }) => !this.#members.has(id))
    const ended = await Promise.all(unknown.map(({ id }) => this.hasEnded(id)))
    return unknown.filter((_, i) => !ended[i])
  }
}

const NOBODY: View = { version: 0, members: [] }
