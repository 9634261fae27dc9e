/** The actor that most rows measure: one XState counter with a reply. */
import { defineActor, protocol } from '@troupe/core'
import { assign, setup } from 'xstate'
import { z } from 'zod'

export const counterSays = protocol('counter', {
  events: { add: z.object({ by: z.number() }), tick: z.object({}) },
  replies: { add: z.number() },
})

export const counterMachine = setup({ types: counterSays.types<{ count: number }>() }).createMachine({
  context: { count: 0 },
  on: {
    add: {
      actions: [
        assign({ count: ({ context, event }) => context.count + event.by }),
        counterSays.reply('add', ({ context }) => context.count),
      ],
    },
    tick: { actions: assign({ count: ({ context }) => context.count + 1 }) },
  },
})

export const counter = defineActor(counterSays, { logic: counterMachine })
export const volatileCounter = defineActor(counterSays, { logic: counterMachine, persistence: 'volatile' })
