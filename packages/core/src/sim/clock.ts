/**
 * Virtual time: a heap of tasks, each with the moment it is due.
 *
 * 1. Time moves only between tasks, to the moment of the next one. Tasks of one moment run in the order they were set.
 * 2. After each task every promise settles before the next task runs, so a task and all that awaits it are one event.
 * 3. A cancelled task never runs.
 */
import { setImmediate } from 'node:timers'
import type { Timer } from '../ports.ts'

interface Task {
  readonly dueMs: number
  readonly order: number
  run: (() => void) | undefined
}

export class VirtualTime {
  readonly #startMs: number
  readonly #heap: Task[] = []
  #elapsedMs = 0
  #order = 0

  constructor(startMs: number) {
    this.#startMs = startMs
  }

  /** Milliseconds since the simulation began. */
  get elapsedMs(): number {
    return this.#elapsedMs
  }

  /** Milliseconds since 1970, whole ones as a real clock gives them. */
  get wallMs(): number {
    return Math.floor(this.#startMs + this.#elapsedMs)
  }

  at(delayMs: number, run: () => void): Timer {
    const task: Task = { dueMs: this.#elapsedMs + Math.max(0, delayMs), order: ++this.#order, run }
    this.#push(task)
    return { cancel: () => (task.run = undefined) }
  }

  /** Runs what is due, at most up to `untilMs` of elapsed time; returns early when `done` says so. */
  async run(untilMs: number, done: () => boolean = () => false): Promise<void> {
    await settled()
    while (!done()) {
      const next = this.#heap[0]
      if (next === undefined || next.dueMs > untilMs) break
      this.#pop()
      if (next.run === undefined) continue
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs)
      next.run()
      await settled()
    }
    if (!done()) this.#elapsedMs = Math.max(this.#elapsedMs, untilMs)
  }

  #push(task: Task): void {
    const heap = this.#heap
    let at = heap.push(task) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || !before(task, parent)) break
      heap[at] = parent
      at = above
    }
    heap[at] = task
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = heap[2 * at + 1]
      const right = heap[2 * at + 2]
      const child = right !== undefined && left !== undefined && before(right, left) ? 2 * at + 2 : 2 * at + 1
      const least = heap[child]
      if (least === undefined || !before(least, last)) break
      heap[at] = least
      at = child
    }
    heap[at] = last
  }
}

function before(a: Task, b: Task): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order)
}

/** A macrotask begins only when no promise has anything left to do. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
