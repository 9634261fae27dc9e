/** The small app after an edit that changes what its till counts. */
import { shopActors } from './small-app.ts'

export const actors = shopActors(1)
