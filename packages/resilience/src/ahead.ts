/**
 * What those who wait cost together, by priority: running sums, so that a newcomer need not look at everybody before it.
 *
 * 1. Costs are whole numbers, so what is added and taken away again leaves exactly nothing.
 * 2. With one priority a question costs nothing; with several it adds up one sum for each, never one for each call.
 */
import type { Cost } from './buckets.ts'

interface Sums<Name extends string> {
  calls: number
  readonly amounts: Map<Name, number>
}

export class Ahead<Name extends string> {
  readonly #sums = new Map<number, Sums<Name>>()

  add(cost: Cost<Name>, priority: number): void {
    const sums = this.#sums.get(priority) ?? { calls: 0, amounts: new Map<Name, number>() }
    this.#sums.set(priority, sums)
    sums.calls += 1
    addUp(sums.amounts, cost, 1)
  }

  remove(cost: Cost<Name>, priority: number): void {
    const sums = this.#sums.get(priority)
    if (sums === undefined) return
    sums.calls -= 1
    addUp(sums.amounts, cost, -1)
    if (sums.calls === 0) this.#sums.delete(priority)
  }

  /** Of this priority and all higher ones. It may change with the next call. */
  of(priority: number): ReadonlyMap<Name, number> {
    const before = [...this.#sums].filter(([one]) => one >= priority).map(([, { amounts }]) => amounts)
    const [only = new Map<Name, number>(), ...others] = before
    if (others.length === 0) return only
    const all = new Map(only)
    for (const amounts of others) for (const [name, amount] of amounts) all.set(name, (all.get(name) ?? 0) + amount)
    return all
  }
}

function addUp<Name extends string>(amounts: Map<Name, number>, cost: Cost<Name>, sign: 1 | -1): void {
  for (const name in cost) amounts.set(name, (amounts.get(name) ?? 0) + sign * (cost[name] ?? 0))
}
