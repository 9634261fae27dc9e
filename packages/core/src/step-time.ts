/** For actions and guards that need the time: while a step runs this is the step's recorded time, live and replayed alike. */
export function stepTime(): number {
  return Date.now()
}
