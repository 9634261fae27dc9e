/** The value of an expression that is written out: text, numbers, objects and lists of such, joined with '+' or not. */
import type { Expression, ObjectExpression } from 'oxc-parser'

export type StaticValue = { readonly value: unknown } | 'not static'

export function staticValue(node: Expression): StaticValue {
  switch (node.type) {
    case 'Literal':
      return 'regex' in node || 'bigint' in node ? 'not static' : { value: node.value }
    case 'TemplateLiteral': {
      const [quasi, ...more] = node.quasis
      return quasi === undefined || more.length > 0 ? 'not static' : { value: quasi.value.cooked }
    }
    case 'BinaryExpression': {
      if (node.operator !== '+') return 'not static'
      const [left, right] = [staticValue(node.left), staticValue(node.right)]
      if (left === 'not static' || right === 'not static') return 'not static'
      return typeof left.value === 'string' && typeof right.value === 'string'
        ? { value: left.value + right.value }
        : 'not static'
    }
    case 'ArrayExpression': {
      const values: unknown[] = []
      for (const element of node.elements) {
        const found = element === null || element.type === 'SpreadElement' ? 'not static' : staticValue(element)
        if (found === 'not static') return found
        values.push(found.value)
      }
      return { value: values }
    }
    case 'ObjectExpression': {
      const entries = members(node)
      if (entries === undefined) return 'not static'
      const values: [string, unknown][] = []
      for (const [key, member] of entries) {
        const found = staticValue(member)
        if (found === 'not static') return found
        values.push([key, found.value])
      }
      return { value: Object.fromEntries(values) }
    }
    case 'TSAsExpression':
    case 'TSSatisfiesExpression':
    case 'ParenthesizedExpression':
      return staticValue(node.expression)
    default:
      return 'not static'
  }
}

/** The members by name, in their order; undefined when some are spread or computed. */
export function members(node: ObjectExpression): readonly (readonly [string, Expression])[] | undefined {
  const entries: (readonly [string, Expression])[] = []
  for (const property of node.properties) {
    if (property.type === 'SpreadElement' || property.computed) return undefined
    const { key } = property
    if (key.type === 'Identifier') entries.push([key.name, property.value])
    else if (key.type === 'Literal') entries.push([String(key.value), property.value])
    else return undefined
  }
  return entries
}
