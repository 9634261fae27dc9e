/**
 * `system.run`: an effect run from outside any actor, recorded like every other. Each run is an actor of its own, `run/<id>`,
 * of a built-in type that every node of the group `main` hosts beside its own types.
 *
 * 1. A run is one ask of its actor: committed before the effect begins, answered from the record ever after.
 * 2. The effect's class holds: after a crash `read` and `idempotent` run again, a `write` that had begun is
 *    `EffectOutcomeUnknown`.
 * 3. A node finds the effect by name: the one its caller has lent to this run, when the run is on the caller's own node; else
 *    those of `createSystem({ provides })` and of its actors' logics. Without one it records `EffectNotServed`.
 */
import { assign, setup } from 'xstate'
import { type AnyActorDef, defineActor } from './actor.ts'
import { type EffectClass, effect } from './effect.ts'
import { EffectFailed, EffectNotServed, TroupeError } from './errors.ts'
import type { EffectRun } from './overrides.ts'
import { protocol } from './protocol.ts'
import { guarded } from './schema.ts'

/** Any effect, whatever it takes and gives. */
export interface AnyEffect {
  readonly effect: { readonly name: string; readonly class: EffectClass }
}

interface Runnable {
  readonly effect: AnyEffect['effect'] & { readonly run: EffectRun<unknown, unknown> }
}

export const RUN_TIMEOUT_MS = 60_000

export interface RunOptions {
  /** How long the caller waits; the run itself goes on and is recorded. @defaultValue 60_000 */
  readonly timeoutMs?: number
  /** Two runs of one effect under one key are one run, whoever starts them; within 24 h its input must be the same. */
  readonly idempotencyKey?: string
}

interface Question {
  readonly effect: string
  readonly class: EffectClass
  readonly input?: unknown
}

type RunAnswer = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

/** The effects that one node can run by name. */
export class EffectRegistry {
  readonly #named = new Map<string, Runnable>()
  readonly #lent = new Map<string, Runnable>()

  constructor(provided: readonly AnyEffect[], actors: readonly AnyActorDef[]) {
    for (const one of provided) this.#add(one)
    const seen = new Set<unknown>()
    for (const { logic } of actors) this.#addThoseOf(logic, seen)
  }

  /** The effect that the caller of the run holds in its hand. @returns takes it back */
  lend(key: string, one: AnyEffect): () => void {
    if (isRunnable(one)) this.#lent.set(key, one)
    return () => {
      if (this.#lent.get(key) === one) this.#lent.delete(key)
    }
  }

  /** @throws EffectNotServed */
  find(key: string, question: Question): Runnable['effect'] {
    const { effect: name, class: wanted } = question
    const found = this.#lent.get(key) ?? this.#named.get(name)
    if (found === undefined) {
      const what = `no actor of this node has an effect '${name}'; give it to createSystem({ provides })`
      throw new EffectNotServed(what, { effect: name })
    }
    if (found.effect.class !== wanted) {
      const what = `effect '${name}' is '${found.effect.class}' on this node and '${wanted}' for its caller`
      throw new EffectNotServed(what, { effect: name })
    }
    return found.effect
  }

  #add(one: unknown): void {
    if (isRunnable(one) && !this.#named.has(one.effect.name)) this.#named.set(one.effect.name, one)
  }

  #addThoseOf(logic: unknown, seen: Set<unknown>): void {
    if (!isObject(logic) || seen.has(logic)) return
    seen.add(logic)
    this.#add(logic)
    const { implementations } = logic
    const actors = isObject(implementations) ? implementations['actors'] : undefined
    if (isObject(actors)) for (const child of Object.values(actors)) this.#addThoseOf(child, seen)
  }
}

export const runSays = protocol('run', {
  events: { run: guarded('{ effect, class, input }', isQuestion) },
  replies: { run: guarded('{ ok, value | error }', isAnswer) },
})

/** The built-in type. One definition per node: the effects it finds are the node's. */
export function runActor(registry: EffectRegistry): AnyActorDef {
  const work = (effectClass: EffectClass) =>
    effect('run', effectClass, async ({ key, question }: { key: string; question: Question }, context) => {
      context.evidence({ effect: question.effect })
      return registry.find(key, question).run(question.input, context)
    })
  const running = <Src extends EffectClass>(src: Src) => ({
    invoke: {
      src,
      id: 'work',
      input: ({ context: { key, question } }: { context: { key: string; question: Question } }) => ({ key, question }),
      onDone: { target: 'done', actions: 'keep' },
      onError: { target: 'done', actions: 'keep' },
    } as const,
  })
  const machine = setup({
    types: runSays.types<{ key: string; question: Question; answer: RunAnswer }>(),
    actors: { read: work('read'), idempotent: work('idempotent'), write: work('write') },
    actions: {
      ask: assign({ question: ({ event: { type: _, ...question } }) => question }),
      keep: assign({ answer: ({ event }) => answerIn(event) }),
    },
    guards: { is: ({ event }, wanted: EffectClass) => event.class === wanted },
  }).createMachine({
    context: ({ input: { key } }) => ({ key, question: { effect: '', class: 'read' }, answer: UNANSWERED }),
    initial: 'ready',
    states: {
      ready: {
        on: {
          run: [
            { guard: { type: 'is', params: 'read' }, target: 'read', actions: 'ask' },
            { guard: { type: 'is', params: 'idempotent' }, target: 'idempotent', actions: 'ask' },
            { target: 'write', actions: 'ask' },
          ],
        },
      },
      read: running('read'),
      idempotent: running('idempotent'),
      write: running('write'),
      done: { type: 'final', entry: runSays.reply('run', ({ context }) => context.answer) },
    },
    output: ({ context }) => context.answer,
  })
  return defineActor(runSays, { logic: machine, idleAfterMs: 1_000 })
}

export const UNANSWERED: RunAnswer = { ok: false, error: null }

function answerIn(event: object): RunAnswer {
  return 'output' in event ? { ok: true, value: event.output } : { ok: false, error: Reflect.get(event, 'error') }
}

/** @throws the error of the run as it was recorded, or EffectFailed around one that is none of ours */
export function resultOf(name: string, answer: RunAnswer): unknown {
  if (answer.ok) return answer.value
  const { error } = answer
  if (error instanceof TroupeError) throw error
  const why = error instanceof Error ? error.message : String(error)
  throw new EffectFailed(`effect '${name}' failed: ${why}`, { effect: name }, error)
}

function isQuestion(value: unknown): value is Question {
  if (!isObject(value) || typeof value['effect'] !== 'string') return false
  return value['class'] === 'read' || value['class'] === 'idempotent' || value['class'] === 'write'
}

export function isAnswer(value: unknown): value is RunAnswer {
  return isObject(value) && typeof value['ok'] === 'boolean'
}

function isRunnable(value: unknown): value is Runnable {
  return isObject(value) && isObject(value['effect']) && typeof value['effect']['run'] === 'function'
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null
}
