/**
 * Signatures: what goes into a model and what comes out, read from a text like DSPy's.
 *
 *     const triage = signature('docstring: str -> module: str, confidence: float')
 *
 * 1. Types are inferred from the text; a malformed one is a compile error that says what is wrong.
 * 2. With the file that `troupe signatures build` writes, no text is read at run time. Without it each is read once, when
 *    its module loads, and kept in `runtimeParsed`.
 * 3. A signature is its spec: two with the same hash ask and accept the same.
 */
import type { Fits } from './checks.ts'
import { type CustomOutput, type CustomTypes, customsOf, defsOf } from './custom-type.ts'
import { customNames, textOf } from './field-type.ts'
import { objectSchema } from './json-schema.ts'
import { typeNameFault } from './names.ts'
import { type ParsedField, parseFields } from './parse.ts'
import type { Checked, ParseFieldType, ParseSignature } from './parse-type.ts'
import { type Side, SignatureRefused, says } from './refusal.ts'
import { type SideSchema, sideSchema } from './side.ts'
import { defaultInstructions, type Spec, type SpecField, specOf } from './spec.ts'
import { readSpec } from './spec-reader.ts'

export interface Signature<I, O> {
  /** Its fields in the canonical form of the grammar. */
  readonly text: string
  readonly spec: Spec
  /** Of the spec. */
  readonly hash: string
  readonly input: SideSchema<I>
  readonly output: SideSchema<O>
}

/** What `troupe signatures build` made of one text. */
export interface Plan {
  readonly fields: readonly ParsedField[]
  /** Absent on a side with custom types: their own schemas are asked. */
  readonly fitsInput?: Fits
  readonly fitsOutput?: Fits
}
export type Plans = { readonly [text: string]: Plan }

export interface SignatureOptions<Field extends string = string, N extends CustomTypes = CustomTypes> {
  /** Custom types by the names that the text uses. */
  readonly types?: N
  /** What a model is told to do. @defaultValue DSPy's own: the fields by name */
  readonly instructions?: string
  /** What a model is told of a field. */
  readonly desc?: { readonly [F in Field]?: string }
  /** For people: the Python class has it. @defaultValue 'Signature' */
  readonly name?: string
}

/** The type of a field as text, alone or with what a model is told of it. */
export type FieldDefinition = string | { readonly type: string; readonly desc?: string | undefined }
export type FieldDefinitions = { readonly [field: string]: FieldDefinition }

type None = Record<never, never>
type Outputs<N extends CustomTypes> = { readonly [K in keyof N]: CustomOutput<N[K]> }
interface Sides {
  readonly in: object
  readonly out: object
}
type In<P> = P extends { readonly in: infer I } ? I : never
type Out<P> = P extends { readonly out: infer O } ? O : never
type NameOf<P> = P extends Sides ? (keyof P['in'] | keyof P['out']) & string : never

type TypeText<F> = F extends { readonly type: infer T } ? T : F
type Defined<F, N extends CustomTypes> = {
  -readonly [K in keyof F]: ParseFieldType<TypeText<F[K]> & string, Outputs<N>> extends { readonly type: infer T }
    ? T
    : never
}
/** What is wrong with a name on its side, as the parser says it. */
type NameFault<K, Io extends Side> =
  ParseSignature<Io extends 'input' ? `${K & string} -> other_side_` : `other_side_ -> ${K & string}`> extends {
    readonly refused: infer M
  }
    ? M
    : never
type TypeFault<F, N extends CustomTypes> =
  ParseFieldType<TypeText<F> & string, Outputs<N>> extends { readonly refused: infer M } ? M : never
/** The definition itself, with the message in the place of a type that is none, or that has a name that is none. */
type CheckedDefinitions<F, N extends CustomTypes, Io extends Side, Others> = {
  readonly [K in keyof F]: K extends keyof Others
    ? typeof says.bothSides
    : [NameFault<K, Io> | TypeFault<F[K], N>] extends [never]
      ? F[K] extends string
        ? F[K]
        : F[K] & { readonly [X in Exclude<keyof F[K], 'type' | 'desc'>]: never }
      : F[K] extends string
        ? NameFault<K, Io> | TypeFault<F[K], N>
        : { readonly type: NameFault<K, Io> | TypeFault<F[K], N>; readonly desc?: string }
}

/** Texts of the generated file: their types are looked up. */
type KnownText<Compiled> = <const S extends keyof Compiled, const N extends CustomTypes = None>(
  text: S,
  options?: SignatureOptions<NameOf<Compiled[S]>, N>,
) => Signature<In<Compiled[S]>, Out<Compiled[S]>>

type AnyText = <const S extends string, const N extends CustomTypes = None>(
  text: Checked<S, Outputs<N>>,
  options?: SignatureOptions<NameOf<ParseSignature<S, Outputs<N>>>, N>,
) => Signature<In<ParseSignature<S, Outputs<N>>>, Out<ParseSignature<S, Outputs<N>>>>

export interface Signatures {
  /** @throws SignatureRefused for what the compiler could not see: lengths, half surrogates, names in `types` */
  readonly signature: AnyText
  /** The same, field by field, for long ones. @throws SignatureRefused */
  readonly defineSignature: <
    const I extends FieldDefinitions,
    const O extends FieldDefinitions,
    const N extends CustomTypes = None,
  >(definition: {
    readonly inputs: I & CheckedDefinitions<I, N, 'input', None>
    readonly outputs: O & CheckedDefinitions<O, N, 'output', I>
    readonly types?: N
    readonly instructions?: string
    readonly name?: string
  }) => Signature<Defined<I, N>, Defined<O, N>>
  /** The texts that had no plan and were read at run time: none in production. */
  readonly runtimeParsed: () => readonly string[]
  /** From now on a text without a plan is refused. @throws SignaturesNotCompiled when one was read before */
  readonly requireCompiled: () => void
}

export interface CompiledSignatures<Compiled> extends Signatures {
  readonly signature: KnownText<Compiled> & AnyText
}

/** Texts that the generated file does not know. Run `troupe signatures build`. */
export class SignaturesNotCompiled extends Error {
  override readonly name = 'SignaturesNotCompiled'
  readonly code = 'SignaturesNotCompiled'
  readonly retryable = false
  readonly texts: readonly string[]

  constructor(texts: readonly string[]) {
    super(`without a plan: ${texts.map((text) => JSON.stringify(text)).join(', ')}; run 'troupe signatures build'`)
    this.texts = texts
  }
}

/** `signature` and its company, with the plans of a generated file: `Compiled` has their types by text. */
export function signatures<Compiled>(plans: Plans): CompiledSignatures<Compiled>
export function signatures(): Signatures
export function signatures(plans: Plans = {}): Signatures {
  const known: ReadonlyMap<string, Plan> = new Map(Object.entries(plans))
  const parsed: string[] = []
  let compiledOnly = false

  const planOf = (text: string, types: CustomTypes): Plan => {
    const plan = known.get(text)
    if (plan !== undefined) return plan
    if (compiledOnly) throw new SignaturesNotCompiled([text])
    parsed.push(text)
    return { fields: parseFields(text, new Set(Object.keys(types))) }
  }
  return {
    signature: (text, options = {}) => signatureOf(text, planOf(text, options.types ?? {}), options),
    defineSignature: ({ inputs, outputs, ...options }) => {
      const text = textOfDefinition(inputs, outputs)
      const plan = planOf(text, options.types ?? {})
      const names = [...Object.keys(inputs), ...Object.keys(outputs)]
      if (names.length !== plan.fields.length || plan.fields.some(({ name }, n) => name !== names[n])) {
        throw new SignatureRefused(says.oneType, text)
      }
      return signatureOf(text, plan, { ...options, desc: descOf({ ...inputs, ...outputs }) })
    },
    runtimeParsed: () => [...parsed],
    requireCompiled: () => {
      if (parsed.length > 0) throw new SignaturesNotCompiled(parsed)
      compiledOnly = true
    },
  }
}

export const { signature, defineSignature } = signatures()

/** Of a text that is known at run time only, from a user for example: fields without types. @throws SignatureRefused */
export function dynamicSignature(
  text: string,
  options: SignatureOptions = {},
): Signature<Record<string, unknown>, Record<string, unknown>> {
  return signatureOf(text, { fields: parseFields(text, new Set(Object.keys(options.types ?? {}))) }, options)
}

/**
 * A spec from elsewhere, from `python -m troupe_worker.signatures dump` for example. Values of custom types that are not in
 * `types` need only be JSON here; Python checks them in full. @throws SignatureRefused
 */
export function signatureFromSpec<I = Record<string, unknown>, O = Record<string, unknown>>(
  spec: unknown,
  types: CustomTypes = {},
): Signature<I, O> {
  return ofSpec(readSpec(spec), types, {})
}

export function textOfDefinition(inputs: FieldDefinitions, outputs: FieldDefinitions): string {
  const side = (fields: FieldDefinitions) =>
    Object.entries(fields).map(([name, field]) => `${name}: ${typeof field === 'string' ? field : field.type}`)
  return `${side(inputs).join(', ')} -> ${side(outputs).join(', ')}`
}

export function descOf(fields: FieldDefinitions): { readonly [field: string]: string } {
  const told = Object.entries(fields).flatMap(([name, field]) =>
    typeof field === 'string' || field.desc === undefined ? [] : [[name, field.desc] as const],
  )
  return Object.fromEntries(told)
}

function signatureOf<I, O>(text: string, plan: Plan, options: SignatureOptions): Signature<I, O> {
  const { types = {}, desc = {} } = options
  const names = new Set(plan.fields.map(({ name }) => name))
  const unknown = Object.keys(desc).find((field) => !names.has(field))
  if (unknown !== undefined) throw new SignatureRefused(says.noSuchField(unknown), text)
  const misnamed = Object.keys(types)
    .map(typeNameFault)
    .find((fault) => fault !== undefined)
  if (misnamed !== undefined) throw new SignatureRefused(misnamed, text)
  const defs = defsOf(types, new Set(plan.fields.flatMap(({ type }) => customNames(type))), text)
  return ofSpec(toldSpec(plan.fields, options, defs), types, plan)
}

/** The spec of fields, and of what a model is told about them. */
export function toldSpec(
  parsed: readonly ParsedField[],
  { name, instructions, desc = {} }: Omit<SignatureOptions, 'types'>,
  defs: Spec['defs'] = {},
): Spec {
  const fields = parsed.map((field): SpecField => {
    const told = Object.hasOwn(desc, field.name) ? desc[field.name] : undefined
    return told === undefined || told === `\${${field.name}}` ? field : { ...field, desc: told }
  })
  return specOf({
    name: name || 'Signature',
    instructions: instructions?.trim() ? instructions : defaultInstructions(fields),
    fields,
    defs,
  })
}

function ofSpec<I, O>(spec: Spec, types: CustomTypes, plan: Partial<Plan>): Signature<I, O> {
  const { fields, defs, hash } = spec
  const [inputs, outputs] = [fields.filter(({ io }) => io === 'input'), fields.filter(({ io }) => io === 'output')]
  const customs = customsOf(types)
  return {
    text: canonicalText(fields),
    spec,
    hash,
    input: sideSchema<I>(inputs, customs, () => objectSchema(inputs, defs), plan.fitsInput),
    output: sideSchema<O>(outputs, customs, () => objectSchema(outputs, defs), plan.fitsOutput),
  }
}

function canonicalText(fields: readonly ParsedField[]): string {
  const side = (wanted: ParsedField['io']) =>
    fields.filter(({ io }) => io === wanted).map(({ name, type }) => `${name}: ${textOf(type)}`)
  return `${side('input').join(', ')} -> ${side('output').join(', ')}`
}
