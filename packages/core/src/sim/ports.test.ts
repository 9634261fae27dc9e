import { afterAll } from 'vitest'
import { realClock } from '../clock.ts'
import { busConformance } from '../testing/bus-conformance.ts'
import { journalConformance } from '../testing/journal-conformance.ts'
import { keyConformance, storedKeyWorld } from '../testing/key-conformance.ts'
import { mailConformance } from '../testing/mail-conformance.ts'
import { storeConformance } from '../testing/store-conformance.ts'
import { connectOptions, type TestWorld } from '../testing/world.ts'
import { SimServer } from './backend.ts'
import { CALM } from './faults.ts'
import type { SimLink } from './link.ts'
import { SimProcess } from './process.ts'
import { Scheduler } from './scheduler.ts'

/** The suites know nothing of virtual time, so it runs along with the real one. */
const beats: NodeJS.Timeout[] = []
afterAll(() => beats.forEach((beat) => void clearInterval(beat)))

async function simWorld(): Promise<TestWorld> {
  const clock = realClock()
  const startMs = clock.now()
  const scheduler = new Scheduler({ seed: 'conformance', faults: CALM, startMs })
  const server = new SimServer({ scheduler })
  const links: SimLink[] = []
  let moving = false
  beats.push(
    setInterval(async () => {
      if (moving) return
      moving = true
      await scheduler.time.run(clock.now() - startMs)
      moving = false
    }, 1),
  )
  return {
    connect: (overrides) => {
      const process = new SimProcess(`p${links.length}`, scheduler)
      return server.backendOf(process, (link) => links.push(link)).connect(connectOptions(overrides))
    },
    outage: async () => {
      for (const link of links) link.cut()
      return async () => {
        for (const link of links) link.heal()
      }
    },
    end: async () => {
      for (const link of links) link.close()
    },
  }
}

busConformance('simulation', simWorld)
journalConformance('simulation', simWorld)
mailConformance('simulation', simWorld)
storeConformance('simulation', simWorld)
keyConformance('simulation', () => storedKeyWorld(simWorld))
