/** Names with a meaning: to the grammar, to Python, to DSPy. */
import { type Side, says } from './refusal.ts'

export const SCALARS = ['str', 'int', 'float', 'bool', 'None', 'Any'] as const
/** With a meaning of their own without arguments: `list` is `list[Any]`. DSPy refuses a bare `List`. */
export const BARE = ['list', 'dict', 'tuple'] as const
export const GENERICS = [
  ...BARE,
  'List',
  'Dict',
  'Tuple',
  'set',
  'Set',
  'Optional',
  'Union',
  'Literal',
  'Annotated',
] as const

export type Scalar = (typeof SCALARS)[number]
export type Bare = (typeof BARE)[number]
export type Generic = (typeof GENERICS)[number]

/** What people write who think in another language. */
export const MEANT = {
  string: 'str',
  String: 'str',
  text: 'str',
  number: 'float',
  double: 'float',
  integer: 'int',
  boolean: 'bool',
  null: 'None',
  undefined: 'None',
  any: 'Any',
  unknown: 'Any',
  object: 'dict',
  array: 'list',
  Array: 'list',
} as const

export const KEYWORDS = [
  ...['False', 'None', 'True', 'and', 'as', 'assert', 'async', 'await', 'break', 'class', 'continue', 'def', 'del'],
  ...['elif', 'else', 'except', 'finally', 'for', 'from', 'global', 'if', 'import', 'in', 'is', 'lambda', 'nonlocal'],
  ...['not', 'or', 'pass', 'raise', 'return', 'try', 'while', 'with', 'yield'],
] as const

/** Attributes of `dspy.Signature` and its metaclass (DSPy 3.4, pydantic 2), and the arguments that `dspy.Predict` keeps to itself. */
export const TAKEN = [
  ...['append', 'append_instructions', 'construct', 'copy', 'delete', 'dict', 'dump_state', 'equals', 'fields'],
  ...['from_orm', 'input_fields', 'insert', 'instructions', 'json', 'load_state', 'model_computed_fields'],
  ...['model_config', 'model_construct', 'model_copy', 'model_dump', 'model_dump_json', 'model_extra', 'model_fields'],
  ...['model_fields_set', 'model_json_schema', 'model_parametrized_name', 'model_post_init', 'model_rebuild'],
  ...['model_validate', 'model_validate_json', 'model_validate_strings', 'mro', 'output_fields', 'parse_file'],
  ...['parse_obj', 'parse_raw', 'prepend', 'register', 'schema', 'schema_json', 'signature', 'update_forward_refs'],
  ...['validate', 'with_instructions', 'with_updated_fields'],
  ...['config', 'demos', 'lm', 'new_signature', 'self'],
] as const
/** `dspy.Predict` takes an input of this name, when it is a map, for something of its own. */
export const TAKEN_INPUT = 'prediction'

const oneOf = <T extends string>(names: readonly T[]) => {
  const set: ReadonlySet<string> = new Set(names)
  return (name: string): name is T => set.has(name)
}

export const isScalar = oneOf(SCALARS)
export const isBare = oneOf(BARE)
export const isGeneric = oneOf(GENERICS)
const isKeyword = oneOf(KEYWORDS)
const isTaken = oneOf(TAKEN)
const meant: ReadonlyMap<string, string> = new Map(Object.entries(MEANT))

export function meantBy(word: string): string | undefined {
  return meant.get(word)
}

const NAME = /^[A-Za-z][A-Za-z0-9_]*$/

/** What is wrong with the name of a field; undefined when nothing is. */
export function nameFault(name: string, io: Side): string | undefined {
  if (name.includes('=')) return says.default
  if (name.startsWith('*') || name.startsWith('/')) return says.star
  if (name.endsWith('?')) return says.question
  if (isKeyword(name)) return says.keyword
  if (isTaken(name) || (io === 'input' && name === TAKEN_INPUT)) return says.taken
  return NAME.test(name) ? undefined : says.badName
}

/** What is wrong with the name of a custom type; undefined when nothing is. */
export function typeNameFault(name: string): string | undefined {
  return NAME.test(name) && !isScalar(name) && !isGeneric(name) && !isKeyword(name) ? undefined : says.typeName(name)
}
