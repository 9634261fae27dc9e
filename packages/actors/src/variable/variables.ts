/**
 * The owner of a space of shared values: one actor per space, `variables/<space>`.
 *
 * 1. All writes go through it, so compare-and-set needs no lock; a refusal is an answer, not a failure of the actor.
 * 2. Values are any plain data; who knows their schema checks them before they are sent (`variable.ts`).
 */
import { defineActor, protocol } from '@troupe/core'
import { z } from 'zod'
import { describe, EMPTY_SPACE, rollback, set } from './revisions.ts'

const name = z.string().min(1).max(200)
const revision = z.int().min(0)
const entry = z.object({ value: z.unknown(), revision, by: z.string() })
const change = z.object({
  revision,
  by: z.string(),
  note: z.unknown().optional(),
  before: z.record(name, entry.nullable()).readonly(),
})

const changed = z.union([
  z.object({ ok: z.literal(true), revision }),
  z.object({
    ok: z.literal(false),
    code: z.literal('RevisionConflict'),
    revision,
    conflicts: z.array(z.object({ name, revision, by: z.string() })),
  }),
  z.object({ ok: z.literal(false), code: z.literal('RevisionGone'), revision, oldest: revision }),
])

export const variablesSays = protocol('variables', {
  events: {
    /** All or nothing. `ifRevision`: only when none of these values has changed since. */
    set: z.object({
      values: z.record(name, z.unknown()),
      by: z.string(),
      ifRevision: revision.optional(),
      note: z.unknown().optional(),
    }),
    rollback: z.object({
      to: revision,
      by: z.string(),
      ifRevision: revision.optional(),
      note: z.unknown().optional(),
    }),
    describe: z.object({ name, metadata: z.record(z.string(), z.unknown()) }),
    /** Of all values, or of those named. */
    get: z.object({ names: z.array(name).optional() }),
    history: z.object({}),
  },
  replies: {
    set: changed,
    rollback: changed,
    get: z.object({ revision, values: z.record(name, entry) }),
    /** Oldest first. */
    history: z.object({ revision, changes: z.array(change).readonly() }),
  },
})

export const variables = defineActor(variablesSays, {
  logic: variablesSays.handlers(EMPTY_SPACE, {
    set,
    rollback,
    describe: (state, { name, metadata }) => describe(state, name, metadata),
    get: (state, { names }) => {
      const wanted = Object.entries(state.values).filter(([name]) => names?.includes(name) ?? true)
      return { state, reply: { revision: state.revision, values: Object.fromEntries(wanted) } }
    },
    history: (state) => ({ state, reply: { revision: state.revision, changes: state.history } }),
  }),
})
