/** For tests: an actor per key that runs one effect at a time and tells how it ended; and processes as the kernel sees them. */
import { readdirSync, readFileSync } from 'node:fs'
import { defineActor, type Effect, effect, protocol, type System, toWire } from '@troupe/core'
import { setup } from 'xstate'
import { z } from 'zod'

const ending = z.object({
  value: z.unknown(),
  error: z
    .object({
      code: z.string(),
      message: z.string(),
      retryable: z.boolean(),
      applied: z.string(),
      details: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
})

/** @param type the actor's type; one key runs one effect at a time */
export function callerOf<I, O>(type: string, { effect: of }: Effect<I, O>) {
  // Tests also send what does not fit.
  const work = effect(of.name, of.class, ({ input }: { readonly input: unknown }, context): Promise<unknown> => {
    return of.run(input as I, context)
  })
  const says = protocol(type, {
    events: { run: z.object({ input: z.unknown() }), leave: z.object({}) },
    replies: { run: ending },
  })
  const logic = setup({
    types: says.types<Record<string, never>>(),
    actors: { work },
  }).createMachine({
    context: {},
    initial: 'idle',
    states: {
      idle: { on: { run: 'running', leave: {} } },
      running: {
        on: { leave: 'idle' },
        invoke: {
          src: 'work',
          input: ({ event }) => ({ input: event.type === 'run' ? event.input : undefined }),
          onDone: { target: 'idle', actions: says.reply('run', ({ event }) => ({ value: event.output })) },
          onError: {
            target: 'idle',
            actions: says.reply('run', ({ event }) => ({ value: null, error: toWire(event.error) })),
          },
        },
      },
    },
  })
  const def = defineActor(says, { logic })
  return {
    def,
    says,
    run: (system: System, key: string, input: unknown) =>
      system.get(says, key).ask({ type: 'run', input }, { timeoutMs: 30_000 }),
  }
}

/** Processes whose command line holds a word: for a namespace all of its workers and sidecars. */
export function processesWith(word: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => commandLine(pid).includes(word))
    .map(Number)
}

function commandLine(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return [] // it has ended
  }
}
