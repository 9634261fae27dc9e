/** What workers say about themselves on `ph.<pool>.<worker>` (docs/protocol.md), parsed at the edge. Always JSON. */
import { z } from 'zod'

const head = { pool: z.string(), worker: z.string(), nonce: z.string() }

const presence = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('hello'),
    ...head,
    pid: z.number(),
    slots: z.number(),
    python: z.string(),
    /** A hash of all installed packages and versions. */
    lock: z.string(),
  }),
  z.object({
    kind: z.literal('beat'),
    ...head,
    pid: z.number(),
    slots: z.number(),
    inFlight: z.number(),
    state: z.enum(['starting', 'running', 'draining', 'frozen']),
  }),
  z.object({ kind: z.literal('goodbye'), ...head, reason: z.string() }),
])

export type Presence = z.output<typeof presence>
export type Hello = Extract<Presence, { kind: 'hello' }>
export type Beat = Extract<Presence, { kind: 'beat' }>

/** Undefined for what is no message of ours: anybody who may publish there can put anything there. */
export function parsePresence(data: Uint8Array): Presence | undefined {
  try {
    return presence.safeParse(JSON.parse(Buffer.from(data).toString('utf8'))).data
  } catch {
    return undefined
  }
}

/** For a worker that can no longer say it itself. */
export function goodbye(
  of: { readonly pool: string; readonly worker: string; readonly nonce: string },
  reason: string,
) {
  const { pool, worker, nonce } = of
  return Buffer.from(JSON.stringify({ v: 1, kind: 'goodbye', pool, worker, nonce, reason }))
}

/** A worker without a beat for this long is gone; beats come every 500 ms. */
export const LOST_MS = 3_000
