/**
 * A provider that counts as providers do: requests in a sliding window, a 429 for each beyond its cap. For the tests of limits.
 *
 * Answers in the form that DSPy asks for, so whoever reads text gets some and a program gets its field `label`.
 */
import { createServer } from 'node:http'

export interface LimitProvider extends AsyncDisposable {
  /** Base URL of the OpenAI-compatible endpoint. */
  readonly url: string
  /** When each request came, those that were refused too. */
  readonly arrivalsMs: readonly number[]
  readonly refused: number
}

const BODY = JSON.stringify({
  choices: [
    {
      message: { role: 'assistant', content: '[[ ## label ## ]]\nyes\n\n[[ ## completed ## ]]' },
      finish_reason: 'stop',
    },
  ],
  usage: { prompt_tokens: 20, completion_tokens: 10 },
})

export async function limitProvider({ cap, windowMs }: { cap: number; windowMs: number }): Promise<LimitProvider> {
  const arrivalsMs: number[] = []
  let refused = 0
  const server = createServer((request, response) => {
    const nowMs = performance.now()
    arrivalsMs.push(nowMs)
    const full = arrivalsMs.filter((atMs) => atMs > nowMs - windowMs).length > cap
    if (full) refused += 1
    request.resume().on('end', () => {
      response.writeHead(full ? 429 : 200, { 'content-type': 'application/json' })
      response.end(full ? JSON.stringify({ error: { message: 'too fast' } }) : BODY)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}/v1`,
    arrivalsMs,
    get refused() {
      return refused
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
