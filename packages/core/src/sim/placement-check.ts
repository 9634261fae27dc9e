/**
 * Who takes which shard, seen at the store at the moment it happens: invariant 17 of `ledger.ts`.
 *
 * 1. It knows the keys and nothing of the nodes: a member lives as long as its key is there.
 */
export class PlacementCheck {
  readonly #report: (what: string) => void
  readonly #living = new Set<string>()
  readonly #ended = new Set<string>()
  readonly #shards = new Map<string, { readonly owner: string; readonly epoch: number }>()

  constructor(report: (what: string) => void) {
    this.#report = report
  }

  /** @param value undefined: the key is removed, or its time has run out */
  changed(key: string, value: Uint8Array | undefined): void {
    const [kind = '', ...name] = key.split('.')
    if (kind === 'member') this.#member(name.join('.'), value !== undefined)
    if (kind === 'shard' && value !== undefined) this.#shard(name.join('.'), JSON.parse(Buffer.from(value).toString()))
  }

  #member(id: string, lives: boolean): void {
    if (lives && this.#ended.has(id)) this.#report(`member ${id} comes back after its lease has ended`)
    if (lives) this.#living.add(id)
    else if (this.#living.delete(id)) this.#ended.add(id)
  }

  #shard(shard: string, key: { readonly owner: string; readonly epoch: number }): void {
    const before = this.#shards.get(shard)
    this.#shards.set(shard, key)
    if (key.owner === '' || before === undefined) return
    const { owner, epoch } = before
    if (owner !== '' && owner !== key.owner && this.#living.has(owner)) {
      this.#report(`${key.owner} takes shard ${shard} from ${owner}, whose lease has not ended`)
    }
    if (key.epoch <= epoch) this.#report(`${key.owner} takes shard ${shard} in epoch ${key.epoch} after ${epoch}`)
  }
}
