import { actions } from './corpus-actions.ts'
import { children } from './corpus-children.ts'
import { effects } from './corpus-effects.ts'
import { events } from './corpus-events.ts'
import { failures } from './corpus-failures.ts'
import { levels } from './corpus-levels.ts'
import { order } from './corpus-order.ts'
import { siblings } from './corpus-siblings.ts'
import { sources } from './corpus-sources.ts'
import { spawned } from './corpus-spawned.ts'
import { states } from './corpus-states.ts'
import { streams } from './corpus-streams.ts'
import { timers } from './corpus-timers.ts'
import { upgrades, writes } from './corpus-writes.ts'
import type { Case } from './script.ts'

export const corpus: readonly Case[] = [
  ...[states, events, order, timers, actions, failures].flat(),
  ...[effects, sources, streams, children, spawned, levels, siblings, writes, upgrades].flat(),
]
