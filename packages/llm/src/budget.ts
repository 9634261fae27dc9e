/**
 * The hard stop on money. Pure: every function takes a budget and returns the next one.
 *
 * 1. `spent + reserved <= limit` after every `reserve`: a call that might pass the limit is refused before it is made.
 * 2. The reservation is an upper bound: a token has at least one UTF-8 byte, and the answer is no longer than the
 *    `maxTokens` that `bounded` puts into every request. Only a server that ignores `max_tokens` can cost more; that
 *    overrun is counted and stops the next call.
 * 3. A call whose outcome is unknown counts with its whole reservation.
 * 4. Prices are never guessed.
 * 5. No figure is above what a sum can hold: such a request is refused, and such a figure of a provider counts as unknown.
 *
 * Amounts are whole nano-dollars: sums of floats would drift and never come back to zero.
 */
import { type ModelAnswer, ModelError, type ModelRequest } from './model.ts'

/** US dollars per million tokens. */
export interface Price {
  readonly inPerMillion: number
  readonly outPerMillion: number
}

export interface Budget {
  readonly limitNanoUsd: number
  readonly spentNanoUsd: number
  readonly reservedNanoUsd: number
  readonly price: Price
}

/** The longest answer a request without its own limit may get. */
export const DEFAULT_MAX_TOKENS = 4096
/** No model reads or writes as many; what says so is nonsense. */
export const MOST_TOKENS = 10_000_000
/** Chat templates add tokens around each message and one start of the answer; no known one adds more. */
const TEMPLATE_TOKENS = 16
/** What a provider says to the model about tools as such; Anthropic's documentation names up to 346. */
const TOOLS_TOKENS = 1024

const nano = (usd: number): number => Math.ceil(usd * 1e9)
export const usdOf = (nanoUsd: number): number => nanoUsd / 1e9

export function openBudget(limitUsd: number, price: Price, spentUsd = 0): Budget {
  for (const [name, value] of Object.entries({ limitUsd, spentUsd, ...price })) {
    if (!Number.isFinite(value) || value < 0) {
      throw new ModelError('InvalidRequest', `${name} is ${value}; it must be a number of US dollars, 0 or more`)
    }
  }
  return { limitNanoUsd: Math.floor(limitUsd * 1e9), spentNanoUsd: nano(spentUsd), reservedNanoUsd: 0, price }
}

/** The price the operator gave, else the one of the table, else an error that says what to set. */
export function priceOf(
  model: string,
  given: { readonly in?: number | undefined; readonly out?: number | undefined },
  table: Readonly<Record<string, Price>> = {},
): Price {
  if (given.in !== undefined && given.out !== undefined) return { inPerMillion: given.in, outPerMillion: given.out }
  const known = Object.hasOwn(table, model) ? table[model] : undefined
  if (known !== undefined && given.in === undefined && given.out === undefined) return known
  throw new ModelError(
    'PriceUnknown',
    `the price of model '${model}' is not known, so its budget cannot be kept: set TROUPE_PRICE_IN and ` +
      'TROUPE_PRICE_OUT, both in US dollars per million tokens (0 and 0 for a free endpoint)',
  )
}

/** The request with a limit on its answer, so that its cost has an upper bound. */
export function bounded(request: ModelRequest): ModelRequest & { readonly maxTokens: number } {
  const { maxTokens = DEFAULT_MAX_TOKENS } = request
  if (!Number.isInteger(maxTokens) || maxTokens < 0 || maxTokens > MOST_TOKENS) {
    throw new ModelError('InvalidRequest', `maxTokens is ${maxTokens}; give a whole number up to ${MOST_TOKENS}`)
  }
  return { ...request, maxTokens }
}

export function upperPromptTokens({ messages, format, tools }: ModelRequest): number {
  let promptTokens = TEMPLATE_TOKENS
  for (const message of messages) {
    promptTokens += Buffer.byteLength(message.content) + TEMPLATE_TOKENS
    const calls = message.role === 'assistant' ? message.toolCalls : undefined
    if (calls !== undefined) promptTokens += Buffer.byteLength(JSON.stringify(calls))
  }
  if (tools !== undefined) promptTokens += Buffer.byteLength(JSON.stringify(tools)) + TOOLS_TOKENS
  if (format?.kind === 'json-schema') promptTokens += Buffer.byteLength(JSON.stringify(format.schema))
  return promptTokens
}

/** @throws ModelError for a cost that no sum can hold */
export function upperNanoUsd(request: ModelRequest & { readonly maxTokens: number }, price: Price): number {
  const promptTokens = upperPromptTokens(request)
  const nanoUsd = nano((promptTokens * price.inPerMillion + request.maxTokens * price.outPerMillion) / 1e6)
  if (isAmount(nanoUsd)) return nanoUsd
  throw new ModelError('InvalidRequest', `the request may cost up to ${usdOf(nanoUsd)} USD, which no budget can hold`)
}

const isAmount = (nanoUsd: number): boolean => Number.isSafeInteger(nanoUsd) && nanoUsd >= 0

/** What an answer cost: the provider's own figure, else usage times price; undefined when neither is known. */
export function costNanoUsd(answer: ModelAnswer, price: Price): number | undefined {
  const saidNanoUsd = answer.costUsd === undefined ? undefined : nano(answer.costUsd)
  if (saidNanoUsd !== undefined && isAmount(saidNanoUsd)) return saidNanoUsd
  if (usedTokens(answer) === undefined || answer.usage === undefined) return undefined
  const { promptTokens, completionTokens } = answer.usage
  const nanoUsd = nano((promptTokens * price.inPerMillion + completionTokens * price.outPerMillion) / 1e6)
  return isAmount(nanoUsd) ? nanoUsd : undefined
}

/** Of prompt and answer; undefined when the provider did not say it, or said what cannot be. */
export function usedTokens({ usage }: ModelAnswer): number | undefined {
  if (usage === undefined) return undefined
  const figures = [usage.promptTokens, usage.completionTokens]
  const can = figures.every((tokens) => Number.isInteger(tokens) && tokens >= 0 && tokens <= MOST_TOKENS)
  return can ? usage.promptTokens + usage.completionTokens : undefined
}

/** Holds `nanoUsd` back, or throws `BudgetExceeded`. */
export function reserve(budget: Budget, nanoUsd: number): Budget {
  const { limitNanoUsd, spentNanoUsd, reservedNanoUsd } = budget
  const leftNanoUsd = limitNanoUsd - spentNanoUsd - reservedNanoUsd
  if (nanoUsd > 0 && nanoUsd > leftNanoUsd) {
    throw new ModelError(
      'BudgetExceeded',
      `the next call may cost up to ${dollars(nanoUsd)} and ${dollars(Math.max(0, leftNanoUsd))} of ` +
        `${dollars(limitNanoUsd)} are left (${dollars(reservedNanoUsd)} held for running calls): raise ` +
        'TROUPE_BUDGET_USD to go on',
    )
  }
  return { ...budget, reservedNanoUsd: reservedNanoUsd + nanoUsd }
}

/** Ends a reservation; `actualNanoUsd` undefined means unknown. */
export function settle(budget: Budget, reservedNanoUsd: number, actualNanoUsd: number | undefined): Budget {
  return {
    ...budget,
    reservedNanoUsd: budget.reservedNanoUsd - reservedNanoUsd,
    spentNanoUsd: budget.spentNanoUsd + (actualNanoUsd ?? reservedNanoUsd),
  }
}

export function dollars(nanoUsd: number): string {
  return `${usdOf(nanoUsd)
    .toFixed(6)
    .replace(/0{1,4}$/, '')} USD`
}
