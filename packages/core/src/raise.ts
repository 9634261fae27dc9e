/** The default for errors nobody listens to: an uncaught exception, which Node reports and ends the process with. */
export function raise(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
