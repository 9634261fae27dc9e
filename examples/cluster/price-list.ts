/** A price list over HTTP, on this machine only. It takes its time, and counts who asks. */
import { createServer } from 'node:http'

const ANSWER_MS = 800

export interface PriceList extends AsyncDisposable {
  readonly url: string
  readonly asked: number
}

export async function servePrices(cents: { readonly [sku: string]: number }): Promise<PriceList> {
  let asked = 0
  const server = createServer((request, response) => {
    asked += 1
    const price = cents[request.url?.slice(1) ?? '']
    setTimeout(
      () => response.writeHead(price === undefined ? 404 : 200).end(JSON.stringify({ cents: price })),
      ANSWER_MS,
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  return {
    url: `http://127.0.0.1:${port}`,
    get asked() {
      return asked
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
