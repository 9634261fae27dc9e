import { expect, test } from 'vitest'
import { readConfig, readModelConfig } from './config.ts'

test('nothing set: the data folder and the stand-in', () => {
  expect(readConfig({})).toEqual({ dataDir: '.troupe' })
  expect(readModelConfig({})).toEqual({ kind: 'stand-in' })
  expect(readConfig({ TROUPE_METRICS_PORT: '9464' })).toEqual({ dataDir: '.troupe', metricsPort: 9464 })
})

test('a real model takes the usual variables and has a budget', () => {
  const env = {
    TROUPE_LLM: 'openai-compatible',
    TROUPE_MODEL: 'm',
    OPENAI_API_KEY: 'k',
    TROUPE_PRICE_IN: '1',
    TROUPE_RPM: '60',
  }
  expect(readModelConfig(env)).toEqual({
    kind: 'openai-compatible',
    baseUrl: 'https://api.openai.com/v1',
    apiKey: 'k',
    model: 'm',
    budgetUsd: 0.5,
    limits: { requestsPerMinute: 60 },
    priceIn: 1,
  })
})

test('the format of Anthropic has an endpoint and a key of its own', () => {
  const env = { TROUPE_LLM: 'anthropic', TROUPE_MODEL: 'm', ANTHROPIC_API_KEY: 'k', OPENAI_API_KEY: 'other' }
  expect(readModelConfig(env)).toEqual({
    kind: 'anthropic',
    baseUrl: 'https://api.anthropic.com',
    apiKey: 'k',
    model: 'm',
    budgetUsd: 0.5,
  })
  expect(readModelConfig({ ...env, ANTHROPIC_BASE_URL: 'http://proxy' })).toMatchObject({ baseUrl: 'http://proxy' })
})

test('config/2: a value that makes no sense is refused by name', () => {
  expect(() => readModelConfig({ TROUPE_LLM: 'other' })).toThrow(/TROUPE_LLM is 'other'/)
  expect(() => readModelConfig({ TROUPE_LLM: 'openai-compatible' })).toThrow(/name of a model/)
  const env = { TROUPE_LLM: 'openai-compatible', TROUPE_MODEL: 'm', TROUPE_BUDGET_USD: 'much' }
  expect(() => readModelConfig(env)).toThrow(/TROUPE_BUDGET_USD is 'much'/)
  const many = { TROUPE_LLM: 'openai-compatible', TROUPE_MODEL: 'm', TROUPE_TPM: '1.5' }
  expect(() => readConfig({ TROUPE_METRICS_PORT: '0' })).toThrow(/TROUPE_METRICS_PORT is '0'/)
  expect(() => readModelConfig(many)).toThrow(/TROUPE_TPM is '1.5'/)
})
