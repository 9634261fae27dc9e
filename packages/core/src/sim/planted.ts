/**
 * Bugs that the simulation must find. Each is one that a runtime like ours could have; most were seen somewhere. The tests run
 * each until a seed notices; one that no seed notices fails them.
 */
import { FENCE_PLANTS } from './planted-fence.ts'
import { INSIDE_PLANTS } from './planted-inside.ts'
import { MAIL_PLANTS } from './planted-mail.ts'
import { ONCE_PLANTS } from './planted-once.ts'
import { PLACEMENT_PLANTS } from './planted-placement.ts'
import { TOLD_PLANTS } from './planted-told.ts'
import type { Plants } from './planting.ts'

export const PLANTS: Plants = {
  ...FENCE_PLANTS,
  ...TOLD_PLANTS,
  ...ONCE_PLANTS,
  ...INSIDE_PLANTS,
  ...MAIL_PLANTS,
  ...PLACEMENT_PLANTS,
}
