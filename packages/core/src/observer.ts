/**
 * What a node tells whoever watches it, as plain facts: the port behind metrics. `@troupe/telemetry` implements it.
 *
 * 1. Without an observer nothing is measured: one check per turn, append, message and dead letter.
 * 2. Facts are told after the commit, in the turn of the loop that made them; an observer must not wait for anything.
 * 3. What an observer throws hurts no turn: it is said once by `onLog`, and the observer goes on being told (`guarded`).
 */
import type { Fate } from './append.ts'
import type { Step } from './step.ts'

export interface TurnFact {
  /** Actor type. */
  readonly type: string
  readonly steps: readonly Step[]
  /** From the arrival of its oldest message, or without one from its begin, to the commit. */
  readonly tookMs: number
}

export interface AppendFact {
  readonly outcome: Fate['kind']
  /** Repetitions of an unknown outcome included. */
  readonly tookMs: number
  readonly sizeBytes: number
}

export interface EffectFact {
  readonly name: string
  /** `stopped`: its machine went on without it. */
  readonly outcome: 'ok' | 'failed' | 'stopped'
  /** From the commit that began it; undefined when another incarnation of its actor did. */
  readonly tookMs: number | undefined
}

export interface AnswerFact {
  readonly type: string
  /** `ok` or the code of the error. */
  readonly code: string
  readonly tookMs: number
}

/** As they are now. */
export interface NodeFigures {
  readonly node: string
  readonly shards: number
  readonly residents: number
  /** Their states, as they are recorded. */
  readonly residentBytes: number
  /** In the mailboxes of the residents, by type. */
  readonly waiting: ReadonlyMap<string, number>
  /** Actors with mail that no step has consumed yet. */
  readonly withMail: number
  readonly openEffects: number
}

export interface Observer {
  turned(turn: TurnFact): void
  appended(append: AppendFact): void
  effectEnded(effect: EffectFact): void
  /** A message with an asker, or one that was refused. */
  answered(answer: AnswerFact): void
  buried(letter: { readonly type: string; readonly reason: string }): void
  /** All that it knows, as JSON values: what the node answers on `tr.<ns>.n.<node>.metrics`. */
  report(figures: NodeFigures): readonly object[]
}

/** See 3. */
export function guarded(observer: Observer, onLog: (text: string, data: object) => void): Observer {
  let said = false
  const safely = <T>(otherwise: T, tell: () => T): T => {
    try {
      return tell()
    } catch (error) {
      if (!said) onLog('the observer of this node fails; nothing else does', { error: String(error) })
      said = true
      return otherwise
    }
  }
  return {
    turned: (turn) => safely(undefined, () => observer.turned(turn)),
    appended: (append) => safely(undefined, () => observer.appended(append)),
    effectEnded: (effect) => safely(undefined, () => observer.effectEnded(effect)),
    answered: (answer) => safely(undefined, () => observer.answered(answer)),
    buried: (letter) => safely(undefined, () => observer.buried(letter)),
    report: (figures) => safely<readonly object[]>([], () => observer.report(figures)),
  }
}
