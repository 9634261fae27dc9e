/**
 * The part of JSON Schema (2020-12) that our shipped schemas use: type, const, enum, pattern, minimum, properties, required,
 * additionalProperties as a schema, items, anyOf, $ref into $defs. A keyword beyond these is an error here.
 */
export interface Schema {
  readonly [keyword: string]: unknown
}

const KNOWN = new Set(
  '$schema $id $defs $ref title description type const enum pattern minimum properties required additionalProperties items anyOf'.split(
    ' ',
  ),
)

/** What of the data does not fit, one line each with its path. */
export function shapeProblems(root: Schema, data: unknown): string[] {
  return check(root, root, data, '$')
}

/** Fields of the data that the schema does not name. Readers must ignore them; writers of today must not write them. */
export function undescribed(root: Schema, data: unknown): string[] {
  return unnamed(root, root, data, '$')
}

function check(root: Schema, given: Schema, data: unknown, path: string): string[] {
  const schema = resolved(root, given)
  for (const keyword of Object.keys(schema)) if (!KNOWN.has(keyword)) throw new Error(`keyword '${keyword}' at ${path}`)
  const found: string[] = []
  if ('const' in schema && data !== schema['const']) found.push(`${path} is not ${String(schema['const'])}`)
  if (Array.isArray(schema['enum']) && !schema['enum'].includes(data))
    found.push(`${path} is none of ${schema['enum']}`)
  const { type } = schema
  if (type !== undefined && !(Array.isArray(type) ? type : [type]).includes(typeOf(data, type))) {
    return [...found, `${path} is ${typeOf(data, type)}, not ${String(type)}`]
  }
  if (
    typeof data === 'string' &&
    typeof schema['pattern'] === 'string' &&
    !new RegExp(schema['pattern'], 'u').test(data)
  ) {
    found.push(`${path} does not match ${schema['pattern']}`)
  }
  if (typeof data === 'number' && typeof schema['minimum'] === 'number' && data < schema['minimum']) {
    found.push(`${path} is below ${schema['minimum']}`)
  }
  if (Array.isArray(schema['anyOf'])) {
    const tries = schema['anyOf'].map((option: Schema) => check(root, option, data, path))
    if (tries.every((problems) => problems.length > 0)) found.push(`${path} fits none of its forms: ${tries.flat()[0]}`)
  }
  if (Array.isArray(data) && isSchema(schema['items'])) {
    const { items } = schema
    for (const [i, item] of data.entries()) found.push(...check(root, items, item, `${path}[${i}]`))
  }
  if (isSchema(data)) {
    const { required, properties, additionalProperties } = schema
    if (Array.isArray(required)) for (const key of required) if (!(key in data)) found.push(`${path}.${key} is missing`)
    for (const [key, value] of Object.entries(data)) {
      const inner = isSchema(properties) && Object.hasOwn(properties, key) ? properties[key] : additionalProperties
      if (isSchema(inner)) found.push(...check(root, inner, value, `${path}.${key}`))
    }
  }
  return found
}

function unnamed(root: Schema, given: Schema, data: unknown, path: string): string[] {
  const schema = resolved(root, given)
  if (Array.isArray(schema['anyOf'])) {
    const fitting = schema['anyOf'].filter((option: Schema) => check(root, option, data, path).length === 0)
    return (
      fitting.map((option: Schema) => unnamed(root, option, data, path)).sort((a, b) => a.length - b.length)[0] ?? []
    )
  }
  if (Array.isArray(data) && isSchema(schema['items'])) {
    const { items } = schema
    return data.flatMap((item, i) => unnamed(root, items, item, `${path}[${i}]`))
  }
  if (!isSchema(data) || !isSchema(schema['properties'])) {
    const { additionalProperties } = schema
    if (!isSchema(data) || !isSchema(additionalProperties)) return []
    return Object.entries(data).flatMap(([key, value]) => unnamed(root, additionalProperties, value, `${path}.${key}`))
  }
  const { properties } = schema
  return Object.entries(data).flatMap(([key, value]) => {
    const inner = Object.hasOwn(properties, key) ? properties[key] : schema['additionalProperties']
    return isSchema(inner) ? unnamed(root, inner, value, `${path}.${key}`) : [`${path}.${key} is not described`]
  })
}

function resolved(root: Schema, schema: Schema): Schema {
  const ref = schema['$ref']
  if (typeof ref !== 'string') return schema
  const defs = root['$defs']
  const found = isSchema(defs) ? defs[ref.replace('#/$defs/', '')] : undefined
  if (!isSchema(found)) throw new Error(`no definition ${ref}`)
  return resolved(root, found)
}

function typeOf(data: unknown, wanted: unknown): string {
  if (data === null) return 'null'
  if (Array.isArray(data)) return 'array'
  const integer =
    Number.isInteger(data) && (wanted === 'integer' || (Array.isArray(wanted) && wanted.includes('integer')))
  return integer ? 'integer' : typeof data
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
