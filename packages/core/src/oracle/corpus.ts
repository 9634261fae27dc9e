import { actions } from './corpus-actions.ts'
import { children } from './corpus-children.ts'
import { effects } from './corpus-effects.ts'
import { failures } from './corpus-failures.ts'
import { states } from './corpus-states.ts'
import { timers } from './corpus-timers.ts'
import { upgrades, writes } from './corpus-writes.ts'
import type { Case } from './script.ts'

export const corpus: readonly Case[] = [
  ...states,
  ...timers,
  ...effects,
  ...children,
  ...actions,
  ...failures,
  ...writes,
  ...upgrades,
]
