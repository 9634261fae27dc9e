export type { CustomOutput, CustomSchema, CustomType, CustomTypes } from './custom-type.ts'
export { type FieldType, type Limits, type LiteralValue, textOf } from './field-type.ts'
export type { Issue } from './fit.ts'
export type { ParseSignature } from './parse-type.ts'
export { SignatureRefused } from './refusal.ts'
export type { SideSchema } from './side.ts'
export {
  type CompiledSignatures,
  defineSignature,
  dynamicSignature,
  type FieldDefinition,
  type FieldDefinitions,
  type Plan,
  type Plans,
  type Signature,
  type SignatureOptions,
  type Signatures,
  SignaturesNotCompiled,
  signature,
  signatureFromSpec,
  signatures,
} from './signature.ts'
export type { Json, JsonSchema, Spec, SpecField } from './spec.ts'
