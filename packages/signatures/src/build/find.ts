/**
 * Finds the signatures in a source file: calls of `signature` and `defineSignature`, by whatever names they are imported.
 *
 * 1. Nothing is run: texts are read from the source, so they must be written out there.
 * 2. A call by an imported name that cannot be read is a problem with its place. What is handed on under another name is not seen.
 */
import { type Argument, type CallExpression, type Expression, parseSync, Visitor } from 'oxc-parser'
import { type ParsedField, parseFields } from '../parse.ts'
import { SignatureRefused } from '../refusal.ts'
import { descOf, textOfDefinition } from '../signature.ts'
import { members, staticValue } from './static-value.ts'

export interface FoundSignature {
  /** `src/app.ts:3` */
  readonly place: string
  /** As the plan is looked up at run time. */
  readonly text: string
  readonly fields: readonly ParsedField[]
  /** Of the variable that it is given to. */
  readonly variable: string | undefined
  /** What a model is told; undefined when the source does not write it out. */
  readonly told: Told | undefined
}

export interface Told {
  readonly name?: string
  readonly instructions?: string
  readonly desc?: { readonly [field: string]: string }
}

export interface Problem {
  readonly place: string
  readonly message: string
}

export interface FileSignatures {
  /** `signature` or its like comes from the package here: what it makes has no plan. */
  readonly unbound: boolean
  readonly found: readonly FoundSignature[]
  readonly problems: readonly Problem[]
}

const MAKERS = ['signature', 'defineSignature'] as const
type Maker = (typeof MAKERS)[number]
const PACKAGE = '@troupe/signatures'

/** `generated`: the name without extension of the file that is written, whose exports make signatures too. */
export function findSignatures(path: string, source: string, generated: string): FileSignatures {
  const { program, module, errors } = parseSync(path, source)
  const placeOf = (at: number) => `${path}:${source.slice(0, at).split('\n').length}`
  const [error] = errors
  if (error !== undefined) {
    return {
      unbound: false,
      found: [],
      problems: [{ place: placeOf(error.labels[0]?.start ?? 0), message: error.message }],
    }
  }
  const makers = new Map<string, Maker>()
  const namespaces = new Set<string>()
  let unbound = false
  for (const { moduleRequest, entries } of module.staticImports) {
    if (moduleRequest.value !== PACKAGE && !isFile(moduleRequest.value, generated)) continue
    for (const { importName, localName } of entries) {
      const maker = MAKERS.find((maker) => maker === importName.name)
      if (maker !== undefined) makers.set(localName.value, maker)
      if (importName.kind === 'NamespaceObject') namespaces.add(localName.value)
      if (maker !== undefined && moduleRequest.value === PACKAGE) unbound = true
    }
  }
  const found: FoundSignature[] = []
  const problems: Problem[] = []
  const variables = new Map<number, string>()
  new Visitor({
    VariableDeclarator: ({ id, init }) => {
      if (id.type === 'Identifier' && init !== null) variables.set(init.start, id.name)
    },
    CallExpression: (call) => {
      const maker = makerOf(call.callee, makers, namespaces)
      if (maker === undefined) return
      const place = placeOf(call.start)
      try {
        found.push({ place, ...signatureIn(maker, call), variable: variables.get(call.start) })
      } catch (error) {
        if (!(error instanceof SignatureRefused || error instanceof Unreadable)) throw error
        problems.push({ place, message: error.message })
      }
    },
  }).visit(program)
  return { unbound, found, problems }
}

/** Called by its imported name, or as a member of an imported module. */
function makerOf(
  callee: CallExpression['callee'],
  makers: ReadonlyMap<string, Maker>,
  namespaces: ReadonlySet<string>,
): Maker | undefined {
  if (callee.type === 'Identifier') return makers.get(callee.name)
  if (callee.type !== 'MemberExpression' || callee.computed || callee.object.type !== 'Identifier') return undefined
  const { property, object } = callee
  return namespaces.has(object.name) ? MAKERS.find((maker) => maker === property.name) : undefined
}

/** Why a call cannot be read without running it. */
class Unreadable extends Error {}

function isFile(specifier: string, generated: string): boolean {
  const name = specifier.slice(specifier.lastIndexOf('/') + 1)
  return name.replace(/\.[cm]?[jt]s$/, '') === generated
}

function signatureIn(
  maker: Maker,
  { arguments: given }: CallExpression,
): Pick<FoundSignature, 'text' | 'fields' | 'told'> {
  const [first, second] = given
  if (maker === 'signature') {
    const text = writtenOut(first)
    if (typeof text !== 'string') throw new Unreadable('the text of a signature must be written out')
    return { text, fields: parseFields(text, typeNames(second)), told: toldIn(second) }
  }
  const { inputs, outputs } = {
    inputs: writtenOut(memberOf(first, 'inputs')),
    outputs: writtenOut(memberOf(first, 'outputs')),
  }
  if (!isDefinitions(inputs) || !isDefinitions(outputs)) {
    throw new Unreadable('the inputs and outputs of a signature must be written out')
  }
  const text = textOfDefinition(inputs, outputs)
  const told = toldIn(first)
  return {
    text,
    fields: parseFields(text, typeNames(first)),
    told: told === undefined ? undefined : { ...told, desc: descOf({ ...inputs, ...outputs }) },
  }
}

function writtenOut(node: Argument | undefined): unknown {
  if (node === undefined || node.type === 'SpreadElement') return undefined
  const found = staticValue(node)
  return found === 'not static' ? undefined : found.value
}

function memberOf(node: Argument | undefined, name: string): Expression | undefined {
  if (node?.type !== 'ObjectExpression') return undefined
  return members(node)?.find(([key]) => key === name)?.[1]
}

function typeNames(options: Argument | undefined): ReadonlySet<string> {
  if (options === undefined) return new Set()
  const types = memberOf(options, 'types')
  if (types === undefined && options.type === 'ObjectExpression' && members(options) !== undefined) return new Set()
  const names = types?.type === 'ObjectExpression' ? members(types) : undefined
  if (names === undefined) throw new Unreadable("the names in 'types' must be written out")
  return new Set(names.map(([name]) => name))
}

function toldIn(options: Argument | undefined): Told | undefined {
  if (options === undefined) return {}
  if (options.type !== 'ObjectExpression') return undefined
  const entries = members(options)
  if (entries === undefined) return undefined
  const told: { [key: string]: unknown } = {}
  for (const [name, node] of entries) {
    if (!['name', 'instructions', 'desc'].includes(name)) continue
    const found = staticValue(node)
    if (found === 'not static') return undefined
    told[name] = found.value
  }
  return told
}

type Definitions = Parameters<typeof textOfDefinition>[0]

function isDefinitions(value: unknown): value is Definitions {
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).every(
    (field: unknown) =>
      typeof field === 'string' ||
      (typeof field === 'object' && field !== null && 'type' in field && typeof field.type === 'string'),
  )
}
