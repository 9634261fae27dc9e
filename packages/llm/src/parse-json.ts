/** JSON of others: undefined when it is none, which no JSON text is. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
