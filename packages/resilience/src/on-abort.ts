/** @returns takes the listener back; without a signal there is nothing to take back */
export function onAbort(signal: AbortSignal | undefined, work: () => void): () => void {
  if (signal === undefined) return nothing
  signal.addEventListener('abort', work)
  return () => signal.removeEventListener('abort', work)
}

function nothing(): void {}
