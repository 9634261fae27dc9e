/**
 * The environment: the only file of the app that reads `process.env` (core and the Python bridge read their own few).
 *
 *   NATS_URL             servers to read the log from, instead of the data folder
 *   TROUPE_DATA          data folder; `.troupe` in the working folder by default
 *   TROUPE_METRICS_PORT  the demo serves `/metrics` there, of its model calls, and its nodes on the ports after it; none by default
 *   TROUPE_LLM           `stand-in` (default), `openai-compatible` or `anthropic`; for the latter two:
 *   OPENAI_BASE_URL, ANTHROPIC_BASE_URL   endpoint; `https://api.openai.com/v1` and `https://api.anthropic.com` by default
 *   OPENAI_API_KEY, ANTHROPIC_API_KEY     key of that endpoint
 *   TROUPE_MODEL         name of the model
 *   TROUPE_BUDGET_USD    hard stop in US dollars; 0.50 by default
 *   TROUPE_RPM, TROUPE_TPM   requests and tokens a minute that the provider allows; without them calls are not held back
 *   TROUPE_PRICE_IN, TROUPE_PRICE_OUT   US dollars per million tokens, for models whose price is not known
 *
 * 1. An option on the command line always wins.
 * 2. A value that makes no sense is refused with its name, never replaced by a default.
 */
import type { ModelConfig } from '@troupe/llm'
import { Problem } from './problem.ts'

export interface Config {
  readonly dataDir: string
  readonly natsUrl?: string
  readonly metricsPort?: number
}

export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const natsUrl = env['NATS_URL']
  const metricsPort = portIn(env, 'TROUPE_METRICS_PORT')
  return {
    dataDir: env['TROUPE_DATA'] || '.troupe',
    ...(natsUrl && { natsUrl }),
    ...(metricsPort !== undefined && { metricsPort }),
  }
}

function portIn(env: NodeJS.ProcessEnv, name: string): number | undefined {
  const text = env[name]
  if (!text) return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1 || value > 65_000)
    throw wrong(`${name} is '${text}'`, 'give a port from 1 to 65000')
  return value
}

const ENDPOINTS = {
  'openai-compatible': {
    baseUrl: { name: 'OPENAI_BASE_URL', usual: 'https://api.openai.com/v1' },
    key: 'OPENAI_API_KEY',
  },
  anthropic: {
    baseUrl: { name: 'ANTHROPIC_BASE_URL', usual: 'https://api.anthropic.com' },
    key: 'ANTHROPIC_API_KEY',
  },
} as const

/** Which model the demo and the nodes use. @throws Problem that names the variable */
export function readModelConfig(env: NodeJS.ProcessEnv = process.env): ModelConfig {
  const kind = env['TROUPE_LLM'] || 'stand-in'
  if (kind === 'stand-in') return { kind }
  if (kind !== 'openai-compatible' && kind !== 'anthropic') {
    throw wrong(`TROUPE_LLM is '${kind}'`, "set it to 'stand-in', 'openai-compatible' or 'anthropic'")
  }
  const model = env['TROUPE_MODEL']
  if (!model) throw wrong(`TROUPE_LLM=${kind} needs the name of a model`, 'set TROUPE_MODEL')
  const { baseUrl, key } = ENDPOINTS[kind]
  const apiKey = env[key]
  const [requestsPerMinute, tokensPerMinute] = [perMinute(env, 'TROUPE_RPM'), perMinute(env, 'TROUPE_TPM')]
  const isLimited = requestsPerMinute !== undefined || tokensPerMinute !== undefined
  const priceIn = dollarsIn(env, 'TROUPE_PRICE_IN')
  const priceOut = dollarsIn(env, 'TROUPE_PRICE_OUT')
  return {
    kind,
    baseUrl: env[baseUrl.name] || baseUrl.usual,
    ...(apiKey && { apiKey }),
    model,
    budgetUsd: dollarsIn(env, 'TROUPE_BUDGET_USD') ?? 0.5,
    ...(isLimited && { limits: { requestsPerMinute, tokensPerMinute } }),
    ...(priceIn !== undefined && { priceIn }),
    ...(priceOut !== undefined && { priceOut }),
  }
}

function dollarsIn(env: NodeJS.ProcessEnv, name: string): number | undefined {
  const text = env[name]
  if (!text) return undefined
  const value = Number(text)
  if (!Number.isFinite(value) || value < 0) throw wrong(`${name} is '${text}'`, 'give a number of US dollars')
  return value
}

function perMinute(env: NodeJS.ProcessEnv, name: string): number | undefined {
  const text = env[name]
  if (!text) return undefined
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw wrong(`${name} is '${text}'`, 'give a whole number from 1')
  return value
}

const wrong = (what: string, fix: string): Problem =>
  new Problem({ code: 'WrongEnvironment', exit: 'usage', what, fix })
