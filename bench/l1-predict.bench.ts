/**
 * L1: what `predict` adds to a bare `fetch`, for a signature with eight outputs, and what ax adds for one like it. Both ask the same
 * server in this process, one call at a time.
 *
 * ax is no dependency: its install script writes files into the project. For this row install it without scripts and without a trace:
 * `npm install --no-save --ignore-scripts @ax-llm/ax`
 */
import { createServer } from 'node:http'
import { openAiCompatible, predict } from '@troupe/llm'
import { signature } from '@troupe/signatures'
import { bareContext } from './effect-context.ts'
import { interleave, latency, type Row } from './harness.ts'

const CALLS = 400
const question = 'Which module reads archives, and how sure are you?'

const triage = signature(
  'ask_text: str -> module_name: str, reason_text: str, first_tag: str, second_tag: str, page_count: int, certainty: float, is_known: bool, next_step: str',
  { name: 'Triage', instructions: 'Name the module.' },
)
const AX_SIGNATURE =
  '"Name the module." askText:string -> moduleName:string, reasonText:string, firstTag:string, secondTag:string, ' +
  'pageCount:number, certainty:number, isKnown:boolean, nextStep:string'

const values = { reason: 'It reads tar archives.', tags: ['archive', 'file'], pages: 12, sure: 0.75, next: 'open it' }
const asJson = JSON.stringify({
  ...{ module_name: 'tarfile', reason_text: values.reason, first_tag: values.tags[0], second_tag: values.tags[1] },
  ...{ page_count: values.pages, certainty: values.sure, is_known: true, next_step: values.next },
})
const asAx = [
  ...[`Module Name: tarfile`, `Reason Text: ${values.reason}`, `First Tag: archive`, `Second Tag: file`],
  ...[`Page Count: 12`, `Certainty: 0.75`, `Is Known: true`, `Next Step: ${values.next}`],
].join('\n')

interface Stub {
  readonly url: string
  close(): void
}

async function stub(): Promise<Stub> {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString()
    })
    request.on('end', () => {
      const content = body.includes('json_schema') ? asJson : asAx
      const message = { role: 'assistant', content }
      const usage = { prompt_tokens: 200, completion_tokens: 60, total_tokens: 260 }
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ id: 'i', choices: [{ index: 0, message, finish_reason: 'stop' }], usage }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}/v1`,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

interface Ax {
  ai(options: object): object
  ax(signature: string): { forward(ai: object, inputs: object, options: object): Promise<object> }
}

async function loadAx(): Promise<Ax> {
  // Not a literal: no type checker may look for a package that nobody has to have.
  const name = '@ax-llm/ax'
  try {
    return await import(name)
  } catch (cause) {
    throw new Error(`${name} is not installed; see the head of ${import.meta.filename}`, { cause })
  }
}

function bare(url: string, body: string): () => Promise<void> {
  return async () => {
    const response = await fetch(`${url}/chat/completions`, { method: 'POST', body })
    JSON.parse(await response.text())
  }
}

const context = bareContext()

const added: Row = {
  row: 'L1 predict',
  what: 'what a structured call with eight outputs adds to a bare fetch',
  baseline: 'ax, the same',
  unit: 'µs',
  kind: 'time',
  target: 1,
  notMeasured: 'a real provider; streams; repairs; the record of the effect',
  measure: async (rounds) => {
    const { ai, ax } = await loadAx()
    const { url, close } = await stub()
    try {
      const ask = predict(triage, { model: openAiCompatible({ baseUrl: url, model: 'm' }) })
      const ours = async () => {
        const { module_name } = await ask.effect.run({ ask_text: question }, context)
        if (module_name !== 'tarfile') throw new Error(`ours answered ${module_name}`)
      }
      const service = ai({ name: 'openai', apiKey: 'none', apiURL: url, config: { model: 'm', stream: false } })
      const program = ax(AX_SIGNATURE)
      const theirs = async () => {
        const answer = await program.forward(service, { askText: question }, { stream: false })
        if (!('moduleName' in answer) || answer.moduleName !== 'tarfile') throw new Error(JSON.stringify(answer))
      }
      const json = bare(url, '{"json_schema":1}')
      const text = bare(url, '{}')
      const over = async (call: () => Promise<void>, plain: () => Promise<void>) =>
        (await latency(CALLS, call)) - (await latency(CALLS, plain))
      return await interleave(
        rounds,
        () => over(ours, json),
        () => over(theirs, text),
      )
    } finally {
      close()
    }
  },
}

export const rows: readonly Row[] = [added]
