/** One question to every node of the view, by any client. A node that does not answer is named, never left out. */
import type { Subjects } from './address.ts'
import { dataIn } from './envelope.ts'
import type { Bus, Clock, Store } from './ports.ts'

export interface NodeAnswers {
  /** By node name: what it said, data from outside. */
  readonly answers: ReadonlyMap<string, unknown>
  /** Nodes of the view that did not answer in time, or not in JSON. */
  readonly missing: readonly string[]
}

export interface AskNodes {
  /** Goes along as JSON. */
  readonly question?: object
  /** Only these nodes. @defaultValue all of the view */
  readonly nodes?: readonly string[]
  /** @defaultValue 2_000 */
  readonly timeoutMs?: number
}

/** @param verb the last token of `tr.<ns>.n.<node>.<verb>` */
export async function askNodes(
  { store, bus }: { readonly store: Store; readonly bus: Bus },
  subjects: Subjects,
  clock: Clock,
  verb: string,
  { question, nodes, timeoutMs = 2_000 }: AskNodes = {},
): Promise<NodeAnswers> {
  const names = nodes ?? (await nodesOf(store))
  const data = question === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(question))
  const asked = names.map(async (node) => {
    return [node, await ask(bus, clock, subjects.node(node, verb), data, timeoutMs)] as const
  })
  const answers = await Promise.all(asked)
  return {
    answers: new Map(answers.filter(([, answer]) => answer !== undefined)),
    missing: answers.flatMap(([node, answer]) => (answer === undefined ? [node] : [])),
  }
}

async function nodesOf(store: Store): Promise<string[]> {
  const entry = await store.get('view')
  const view: unknown = entry === undefined ? undefined : parsed(entry.value)
  if (typeof view !== 'object' || view === null || !('members' in view) || !Array.isArray(view.members)) return []
  const nodes = view.members.flatMap((member: unknown) =>
    typeof member === 'object' && member !== null && 'node' in member ? [String(member.node)] : [],
  )
  return [...new Set(nodes)].sort()
}

/** @returns undefined when nobody has answered in time */
function ask(bus: Bus, clock: Clock, subject: string, data: Uint8Array, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve) => {
    const end = (answer: unknown) => {
      timer.cancel()
      reply.close()
      resolve(answer)
    }
    const reply = bus.openReply((answer) => end(answer === 'no-responders' ? undefined : parsed(answer.data)))
    const timer = clock.after(timeoutMs, () => end(undefined), { keepAlive: true })
    bus.publish(subject, data, { reply: reply.subject })
  })
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return dataIn(JSON.parse(Buffer.from(bytes).toString('utf8')), 'answer')
  } catch {
    return undefined
  }
}
