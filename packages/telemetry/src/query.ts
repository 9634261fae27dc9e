/**
 * Questions to the index as SQL, and rows as answers. Pure text and data; `event-index.ts` runs them.
 *
 * 1. Every value is bound, never part of the text.
 */
import type { SQLOutputValue } from 'node:sqlite'
import type { EffectFacts, LoggedEvent } from './logged-event.ts'

export type Row = { readonly [column: string]: SQLOutputValue }
type Value = string | number

export interface EventFilter {
  readonly correlation?: string
  readonly actor?: string
  /** Actor type. */
  readonly type?: string
  /** Type of the event. */
  readonly event?: string
  /** Milliseconds since 1970, both inclusive. */
  readonly since?: number
  readonly until?: number
  /** The first so many. */
  readonly limit?: number
  /** The last so many. */
  readonly last?: number
  /** Evidence of effects too, which may be large. @defaultValue false */
  readonly evidence?: boolean
}

export interface TraceSummary {
  readonly correlation: string
  readonly firstAt: number
  readonly lastAt: number
  readonly events: number
  readonly actors: number
  /** Steps that were refused or failed. */
  readonly troubles: number
  readonly root: { readonly id: string; readonly actor: string; readonly event: string }
}

export interface ActorSummary {
  readonly actor: string
  readonly type: string
  readonly seq: number
  readonly epoch: number
  readonly firstAt: number
  readonly lastAt: number
  readonly troubles: number
  readonly node?: string
  readonly ended?: 'done' | 'stopped'
}

const COLUMNS = `"order", id, actor, type, epoch, seq, kind, event, at, correlation, causation, sender, key, node, outcome, error,
  ended, effectId, effectName, effectClass, began, stopped`

export function eventsQuery(filter: EventFilter): { sql: string; values: Value[] } {
  const { correlation, actor, type, event, since, until, limit, last } = filter
  const conditions = new Map<string, Value | undefined>([
    ['correlation = ?', correlation],
    ['actor = ?', actor],
    ['type = ?', type],
    ['event = ?', event],
    ['at >= ?', since],
    ['at <= ?', until],
  ])
  const used = [...conditions].flatMap(([text, value]) => (value === undefined ? [] : [{ text, value }]))
  const where = used.length === 0 ? '' : `WHERE ${used.map(({ text }) => text).join(' AND ')}`
  const columns = filter.evidence ? `${COLUMNS}, evidence` : COLUMNS
  const sql = `SELECT ${columns} FROM events ${where} ORDER BY "order" ${last === undefined ? '' : 'DESC'} LIMIT ?`
  return { sql, values: [...used.map(({ value }) => value), last ?? limit ?? -1] }
}

export const tracesQuery = `
  SELECT t.*, e.id, e.actor, e.event FROM (
    SELECT correlation, min("order") AS first, min(at) AS firstAt, max(at) AS lastAt, count(*) AS events,
      count(DISTINCT actor) AS actors, sum(outcome <> 'applied') AS troubles, max("order") AS newest
    FROM events GROUP BY correlation ORDER BY newest DESC LIMIT ?
  ) t JOIN events e ON e."order" = t.first ORDER BY t.newest DESC`

export function tracesMatching(text: string, limit: number): { sql: string; values: Value[] } {
  // The first text that does not begin with `text`: an index can serve such a range.
  const end = `${text}\u{10ffff}`
  const sql = `SELECT DISTINCT correlation FROM (
      SELECT correlation, "order" FROM events WHERE correlation >= ? AND correlation < ?
      UNION ALL SELECT correlation, "order" FROM events WHERE id >= ? AND id < ?
      ORDER BY "order") LIMIT ?`
  return { sql, values: [text, end, text, end, limit] }
}

export function actorsQuery(type: string | undefined): { sql: string; values: Value[] } {
  const sql = `
    SELECT a.*, e.type, e.epoch, e.node, (SELECT max(ended) FROM events x WHERE x.actor = a.actor) AS ended FROM (
      SELECT actor, max(seq) AS seq, min(at) AS firstAt, max(at) AS lastAt, sum(outcome <> 'applied') AS troubles
      FROM events ${type === undefined ? '' : 'WHERE type = ?'} GROUP BY actor
    ) a JOIN events e ON e.actor = a.actor AND e.seq = a.seq ORDER BY a.actor`
  return { sql, values: type === undefined ? [] : [type] }
}

export function eventIn(row: Row): LoggedEvent {
  const { effectId, effectName, effectClass } = row
  return {
    order: Number(row['order']),
    id: String(row['id']),
    actor: String(row['actor']),
    type: String(row['type']),
    epoch: Number(row['epoch']),
    seq: Number(row['seq']),
    kind: String(row['kind']),
    event: String(row['event']),
    at: Number(row['at']),
    correlation: String(row['correlation']),
    causation: String(row['causation']),
    ...text('sender', row['sender']),
    ...text('key', row['key']),
    ...text('node', row['node']),
    outcome: oneOf(OUTCOMES, row['outcome']),
    ...text('error', row['error']),
    ...(row['ended'] !== null && { ended: oneOf(ENDS, row['ended']) }),
    ...(effectId !== null && {
      effect: { id: String(effectId), name: String(effectName), class: String(effectClass) },
    }),
    ...json('began', row['began'], effectsIn),
    ...json('stopped', row['stopped'], textsIn),
    ...json('evidence', row['evidence'], (value) => value),
  }
}

export function traceIn(row: Row): TraceSummary {
  return {
    correlation: String(row['correlation']),
    firstAt: Number(row['firstAt']),
    lastAt: Number(row['lastAt']),
    events: Number(row['events']),
    actors: Number(row['actors']),
    troubles: Number(row['troubles']),
    root: { id: String(row['id']), actor: String(row['actor']), event: String(row['event']) },
  }
}

export function actorIn(row: Row): ActorSummary {
  return {
    actor: String(row['actor']),
    type: String(row['type']),
    seq: Number(row['seq']),
    epoch: Number(row['epoch']),
    firstAt: Number(row['firstAt']),
    lastAt: Number(row['lastAt']),
    troubles: Number(row['troubles']),
    ...text('node', row['node']),
    ...(row['ended'] !== null && { ended: oneOf(ENDS, row['ended']) }),
  }
}

const OUTCOMES = ['applied', 'rejected', 'error'] as const
const ENDS = ['done', 'stopped'] as const

function oneOf<T extends string>(known: readonly [T, ...T[]], value: unknown): T {
  return known.find((one) => one === value) ?? known[0]
}

function text<K extends string>(name: K, value: SQLOutputValue | undefined): { [P in K]?: string } {
  const out: { [P in K]?: string } = {}
  if (typeof value === 'string') out[name] = value
  return out
}

function json<K extends string, T>(
  name: K,
  value: SQLOutputValue | undefined,
  read: (value: unknown) => T,
): { [P in K]?: T } {
  const out: { [P in K]?: T } = {}
  if (typeof value === 'string') out[name] = read(JSON.parse(value))
  return out
}

function effectsIn(value: unknown): EffectFacts[] {
  if (!Array.isArray(value)) return []
  return value.map((one: { [name: string]: unknown }) => ({
    id: String(one['id']),
    name: String(one['name']),
    class: String(one['class']),
  }))
}

const textsIn = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [])
