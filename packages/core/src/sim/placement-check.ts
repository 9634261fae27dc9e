/**
 * Who takes which shard, seen at the server at the moment it happens: invariant 17 of `ledger.ts`.
 *
 * 1. It knows keys and subscriptions and nothing of the nodes: a member lives as long as its key is there, and who listens for the
 *    commands of a shard has opened it.
 */
export class PlacementCheck {
  readonly #report: (what: string) => void
  readonly #living = new Set<string>()
  readonly #ended = new Set<string>()
  /** By shard and node: how often the key has named it, less how often it has opened the shard. */
  readonly #grants = new Map<string, number>()
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

  /** @param subject that a node listens to from now on */
  subscribed(node: string, subject: string): void {
    const [, , kind, shard] = subject.split('.')
    if (kind !== 'c' || shard === undefined) return
    const grants = this.#grants.get(`${shard} ${node}`) ?? 0
    if (grants === 0) this.#report(`${node} opens shard ${shard}, which its key has not given to it`)
    else this.#grants.set(`${shard} ${node}`, grants - 1)
  }

  #member(id: string, lives: boolean): void {
    if (lives && this.#ended.has(id)) this.#report(`member ${id} comes back after its lease has ended`)
    if (lives) this.#living.add(id)
    else if (this.#living.delete(id)) this.#ended.add(id)
  }

  #shard(shard: string, key: { readonly owner: string; readonly epoch: number }): void {
    const before = this.#shards.get(shard)
    this.#shards.set(shard, key)
    const isNote = key.owner === before?.owner && key.epoch === before.epoch // a checkpoint
    if (key.owner === '' || isNote) return
    const grant = `${shard} ${nodeOf(key.owner)}`
    this.#grants.set(grant, (this.#grants.get(grant) ?? 0) + 1)
    if (before === undefined) return
    const { owner, epoch } = before
    if (owner !== '' && owner !== key.owner && this.#living.has(owner)) {
      this.#report(`${key.owner} takes shard ${shard} from ${owner}, whose lease has not ended`)
    }
    if (key.epoch <= epoch) this.#report(`${key.owner} takes shard ${shard} in epoch ${key.epoch} after ${epoch}`)
  }
}

/** A member id is `<node>-<8 hex>-<incarnation>`. */
function nodeOf(id: string): string {
  return id.replace(/-[0-9a-f]{8}-\d+$/, '')
}
