export { type AiSdkCall, type AiSdkLanguageModel, aiSdkModel } from './ai-sdk.ts'
export { type AnthropicConfig, anthropic } from './anthropic.ts'
export { type Budget, openBudget, type Price, priceOf } from './budget.ts'
export { type CachedOptions, cached } from './cached.ts'
export {
  type Cassette,
  type CassetteExchange,
  type Recorder,
  readCassette,
  recorder,
  replayer,
  writeCassette,
} from './cassette.ts'
export { type ConfiguredModel, type ModelConfig, modelFrom } from './configured.ts'
export { type DirectOptions, direct } from './direct.ts'
export { inCluster } from './in-cluster.ts'
export { Ledger, type LedgerEntry, type Totals } from './ledger.ts'
export { limited, type ModelLimitName, type ModelLimits, modelGate } from './limited.ts'
export {
  type AnswerFormat,
  type ChatMessage,
  type CompleteOptions,
  type FinishReason,
  type Model,
  type ModelAnswer,
  ModelError,
  type ModelErrorCode,
  type ModelErrorFields,
  type ModelRequest,
  type ToolCall,
  type ToolChoice,
  type ToolSpec,
  type Usage,
} from './model.ts'
export { STAND_IN_NAME, STAND_IN_NOTE, standInAnswer } from './nearest-neighbour.ts'
export { type OpenAiCompatibleConfig, openAiCompatible } from './openai-compatible.ts'
export { answerInWords } from './plain-answer.ts'
export { type DeepPartial, type PredictOptions, predict } from './predict.ts'
export { charged, Purse, type PurseStatus, PurseView, purse, purses } from './purse.ts'
export { type MemoryResultsOptions, memoryResults, type ResultStore, storedResults } from './result-store.ts'
export { type RetriedOptions, retried } from './retried.ts'
export { type RoutedOptions, routed } from './routed.ts'
export type { Route } from './routes.ts'
export { routingSays, routings } from './routing.ts'
export { type Line, type ScriptedModel, type ScriptOptions, scriptedModel } from './scripted-model.ts'
export {
  explain,
  type Filter,
  type Needs,
  type Policy,
  type RouteFacts,
  type RouteKind,
  type Selection,
} from './select.ts'
export { type ModelService, type ModelServiceStats, type ServeModels, serveModels } from './service.ts'
export { type StandIn, standInModel, startStandIn } from './stand-in-server.ts'
export type { ModelRecord } from './till.ts'
export type { Try } from './tries.ts'
