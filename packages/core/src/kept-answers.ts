/** The answers that one client may still ask for again, by the number of the command, ascending. */
import type { KeptAnswer } from './settlement.ts'

export class KeptAnswers {
  readonly #answers: KeptAnswer[] = []

  constructor(answers: readonly KeptAnswer[] = []) {
    for (const answer of answers) this.keep(answer)
  }

  /** Commands are mostly answered in the order of their numbers. */
  keep(answer: KeptAnswer): void {
    const at = this.#firstAbove(answer.n)
    if (this.#answers[at - 1]?.n === answer.n) this.#answers[at - 1] = answer
    else if (at === this.#answers.length) this.#answers.push(answer)
    else this.#answers.splice(at, 0, answer)
  }

  get(n: number): KeptAnswer | undefined {
    const answer = this.#answers[this.#firstAbove(n) - 1]
    return answer?.n === n ? answer : undefined
  }

  /** Nobody will ask for those up to this number again. */
  forget(settled: number): void {
    const above = this.#firstAbove(settled)
    if (above > 0) this.#answers.splice(0, above)
  }

  countAbove(settled: number): number {
    return this.#answers.length - this.#firstAbove(settled)
  }

  state(): readonly KeptAnswer[] {
    return [...this.#answers]
  }

  #firstAbove(n: number): number {
    const answers = this.#answers
    if ((answers.at(-1)?.n ?? 0) <= n) return answers.length
    let [low, high] = [0, answers.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((answers[middle]?.n ?? 0) <= n) low = middle + 1
      else high = middle
    }
    return low
  }
}
