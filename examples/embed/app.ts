/** A web app with actors in it: the 15 lines that a project adds. It knows nothing of where they live. */
import { defineActor, protocol, type System } from '@troupe/core'
import { Hono } from 'hono'
import { assign, setup } from 'xstate'
import { z } from 'zod'

const says = protocol('counter', { events: { add: z.object({ by: z.number() }) }, replies: { add: z.number() } })
const machine = setup({ types: says.types<{ count: number }>() }).createMachine({
  context: { count: 0 },
  on: {
    add: {
      actions: [
        assign({ count: ({ context, event }) => context.count + event.by }),
        says.reply('add', ({ context }) => context.count),
      ],
    },
  },
})
export const counter = defineActor(says, { logic: machine })

export const appOn = (system: System) =>
  new Hono().post('/counters/:key/add', async (c) =>
    c.json({ count: await system.get(counter, c.req.param('key')).ask({ type: 'add', by: 1 }) }),
  )
