/** The generated Python: a `dspy.Signature` class for each signature, and all of them by hash. */
import { LIMITS, textOf } from '../field-type.ts'
import type { Spec, SpecField } from '../spec.ts'
import { GENERATED } from './emit-typescript.ts'

const TYPING = ['Annotated', 'Any', 'Literal'] as const

/** By the name of the class. */
export function pythonOf(specs: ReadonlyMap<string, Spec>): string {
  const classes = [...specs].map(([name, spec]) => classSource(name, spec))
  const body = classes.join('\n\n')
  const typing = TYPING.filter((name) => new RegExp(`\\b${name}\\b`).test(body))
  const byHash = [...specs].map(([name, { hash }]) => `    "${hash}": ${name},\n`)
  return [
    `"""${GENERATED}"""\n\n`,
    '# ruff: noqa\n# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false\n\n',
    'from collections.abc import Mapping\n',
    `from typing import ${[...typing, 'Final'].join(', ')}\n\n`,
    'import dspy\n',
    body.includes('Field(ge') || LIMITS.some((limit) => body.includes(`${limit}=`))
      ? 'from pydantic import Field\n'
      : '',
    `\n\n${body}\n\n`,
    `SIGNATURES: Final[Mapping[str, type[dspy.Signature]]] = {\n${byHash.join('')}}\n`,
    '"""By hash."""\n',
  ].join('')
}

function classSource(name: string, { instructions, fields }: Spec): string {
  return `class ${name}(dspy.Signature):\n    ${pythonText(instructions)}\n\n${fields.map(fieldSource).join('')}`
}

function fieldSource({ name, io, type, desc }: SpecField): string {
  const told = desc === undefined ? '' : `desc=${pythonText(desc)}`
  return `    ${name}: ${textOf(type)} = dspy.${io === 'input' ? 'InputField' : 'OutputField'}(${told})\n`
}

/** JSON's escapes are Python's. */
function pythonText(text: string): string {
  return JSON.stringify(text)
}
