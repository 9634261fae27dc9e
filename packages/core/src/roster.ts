/**
 * Who is in the cluster: the members as the store tells of them, and the view that its keepers write for all.
 *
 * 1. A member is taken out of the view when its key is gone, never because word of it is late.
 * 2. The word of a watch and the answer to a write come in any order; neither hides a newer view.
 * 3. A type is served once all nodes of its group announce it, and no node joins that lacks one which is served.
 * 4. A member id is never used again: one whose key is gone is dead for ever.
 */
import { keyBytes, memberIn, viewIn } from './cluster-keys.ts'
import { GroupTypesMissing } from './errors.ts'
import { keepsView, type Member, sameMembers, type View } from './placement.ts'
import type { Store, StoreChange } from './ports.ts'

/** A node that would join; as in `MembershipOptions`. */
export interface Newcomer {
  readonly node: string
  readonly groups: { readonly [group: string]: unknown }
  readonly logics: { readonly [type: string]: string }
  readonly types: { readonly [type: string]: string }
  readonly retires: readonly string[]
}

export class Roster {
  readonly #store: Store
  readonly #members = new Map<string, Member>()
  readonly #dead = new Set<string>()
  /** By group and type, until a member comes or goes. */
  readonly #served = new Map<string, boolean>()
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

  /** Whether all nodes of a group know the type. */
  isServed(type: string, group: string): boolean {
    const key = `${group}/${type}`
    let served = this.#served.get(key)
    if (served === undefined) {
      served = this.#of(group).every(({ logics }) => logics?.[type] !== undefined)
      this.#served.set(key, served)
    }
    return served
  }

  /**
   * Before anybody sees a newcomer: its share of the actors that the others serve must not be without a home.
   * @throws GroupTypesMissing
   */
  checkNewcomer({ node, groups, logics, types, retires }: Newcomer): void {
    for (const group of Object.keys(groups).filter((name) => this.#of(name).length > 0)) {
      const lacking = Object.keys(types).filter((type) => types[type] === group && logics[type] === undefined)
      const missing = lacking.filter((type) => !retires.includes(type) && this.isServed(type, group))
      if (missing.length === 0) continue
      throw new GroupTypesMissing(
        `node '${node}' would join group '${group}' without ${missing.join(', ')}, which all of its nodes serve: define them here ` +
          `too, move this node's actors to a group of their own, or give the types up with createSystem({ retires: ['${missing[0]}'] })`,
        { group, missing },
      )
    }
  }

  #of(group: string): readonly Member[] {
    return [...this.#members.values()].filter(({ groups }) => groups.includes(group))
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
      this.#served.clear()
      return true
    }
    const member = memberIn(change.entry.value)
    return member !== undefined && this.admit(member)
  }

  /** False when it says nothing new. */
  admit(member: Member): boolean {
    const known = this.#members.get(member.id)
    if (known !== undefined && sameMembers([known], [member])) return false
    this.#members.set(member.id, member)
    this.#served.clear()
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
