/** The module that holds an application's actors: it exports `actors`, an array of definitions. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { AnyActorDef } from '@troupe/core'
import { Problem } from './problem.ts'

export async function loadActors(entry: string | undefined): Promise<readonly AnyActorDef[]> {
  if (entry === undefined) {
    const what = 'replay folds the log through code, and does not know which'
    throw new Problem({
      code: 'NoEntry',
      exit: 'usage',
      what,
      fix: 'name the module that exports `actors` with --entry',
    })
  }
  const file = resolve(entry)
  if (!existsSync(file)) {
    const what = `there is no entry module '${file}'`
    throw new Problem({ code: 'NoEntry', exit: 'notFound', what, likely: 'it has moved since the run', fix: '--entry' })
  }
  const module: unknown = await import(pathToFileURL(file).href)
  const actors = typeof module === 'object' && module !== null && 'actors' in module ? module.actors : undefined
  if (Array.isArray(actors) && actors.every(isDefinition)) return actors
  const what = `'${file}' exports no array \`actors\` of definitions`
  throw new Problem({ code: 'NoEntry', exit: 'usage', what, fix: 'export const actors = [defineActor(…), …]' })
}

function isDefinition(value: unknown): value is AnyActorDef {
  if (typeof value !== 'object' || value === null || !('protocol' in value) || !('logic' in value)) return false
  const { protocol } = value
  return typeof protocol === 'object' && protocol !== null && 'type' in protocol && typeof protocol.type === 'string'
}
