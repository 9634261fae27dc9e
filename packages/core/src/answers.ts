/**
 * Which asks a step ends, and with what: by its replies, by being committed, or because the actor has ended. An ask is ended once;
 * the first to end it counts.
 */
import { AskUnanswered, toWire } from './errors.ts'
import type { Outcome } from './input.ts'
import { eventType, type Settlement } from './settlement.ts'
import { askIdOf, type EndedAsk, type Step } from './step.ts'

const NONE: readonly EndedAsk[] = []

/** @param settlement as it was before the step: the step's own ask is not in it */
export function answersOf(
  address: string,
  step: Omit<Step, 'outcome'>,
  { made: { replies = [] }, status }: Pick<Outcome, 'made' | 'status'>,
  settlement: Settlement,
): readonly EndedAsk[] {
  const { command, input, cause, at } = step
  const own = command?.wants === 'reply' ? askIdOf(command) : undefined
  const ends = status !== 'active' || endsBy(input)
  if (!ends && replies.length === 0) return command?.wants === 'commit' ? [{ ask: askIdOf(command) }] : NONE
  if (!ends && own !== undefined && replies.length === 1) {
    const [reply] = replies
    if (reply?.to === 'cause' && eventType(input) === reply.type) return [{ ask: own, reply: 0 }]
  }
  const answers = new Map<string, EndedAsk>()
  const tell = (answer: EndedAsk) => {
    if (!answers.has(answer.ask)) answers.set(answer.ask, answer)
  }
  for (const [reply, { type, to }] of replies.entries()) {
    const mine = own !== undefined && eventType(input) === type ? [own] : []
    const others = to === 'cause' && mine.length > 0 ? [] : settlement.asksFor(type, to, cause, at)
    const open = [...others, ...mine]
    for (const ask of to === 'all' ? open : open.slice(0, 1)) tell({ ask, reply })
  }
  if (command?.wants === 'commit') tell({ ask: askIdOf(command) })
  if (ends) {
    for (const { id } of settlement.asks) tell(unanswered(address, id))
    if (own !== undefined) tell(unanswered(address, own))
  }
  return [...answers.values()]
}

/** The orders that end the tree in which asks were open. */
function endsBy(input: Step['input']): boolean {
  return input.kind === 'operator' && (input.order === 'reset' || input.order === 'destroy')
}

export function unanswered(address: string, ask: string): EndedAsk {
  return { ask, error: toWire(new AskUnanswered(`'${address}' ended without answering`)) }
}
