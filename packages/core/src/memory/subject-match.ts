/**
 * NATS subject matching: tokens separated by dots; in a pattern `*` stands for one token, a final `>` for one or more.
 *
 * 1. A pattern is split once, when it is compiled, not per message.
 */

export type Match = (subject: string) => boolean

export const isLiteral = (pattern: string): boolean => !/(^|\.)(\*|>)(\.|$)/.test(pattern)

/** What may be published to: non-empty tokens, no wildcard, no white space. */
export const isSubject = (subject: string): boolean => isLiteral(subject) && /^[^\s.]+(\.[^\s.]+)*$/.test(subject)

export function subjectMatch(pattern: string): Match {
  if (isLiteral(pattern)) return (subject) => subject === pattern
  const tokens = pattern.split('.')
  const open = tokens.at(-1) === '>'
  if (open) tokens.pop()
  return (subject) => {
    const parts = subject.split('.')
    if (open ? parts.length <= tokens.length : parts.length !== tokens.length) return false
    return tokens.every((token, at) => token === '*' || token === parts[at])
  }
}
