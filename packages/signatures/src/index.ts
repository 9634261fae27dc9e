export type { FieldType, Limits, LiteralValue } from './field-type.ts'
export { SignatureRefused } from './refusal.ts'
export type { Json, JsonSchema, Spec, SpecField } from './spec.ts'
