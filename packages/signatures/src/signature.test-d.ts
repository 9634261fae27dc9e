/** What a user of `signature` sees in the editor. Checked by `tsc`; never run. */
import { z } from 'zod'
import { defineSignature, dynamicSignature, type Signature, signature, signatures } from './signature.ts'

type Eq<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const is = <T extends true>(): T | undefined => undefined
type InputOf<S> = S extends Signature<infer I, unknown> ? I : never
type OutputOf<S> = S extends Signature<unknown, infer O> ? O : never

const plain = signature("q, n: int -> tags: list[str], kind: Literal['a', 'b'], score: Optional[float]")
is<Eq<InputOf<typeof plain>, { q: string; n: number }>>()
is<Eq<OutputOf<typeof plain>, { tags: string[]; kind: 'a' | 'b'; score: number | null }>>()

const Person = z.object({ name: z.string(), age: z.number().default(0) })
const custom = signature('p: Person -> ps: list[Person]', { types: { Person }, desc: { ps: 'all' } })
is<Eq<OutputOf<typeof custom>, { ps: { name: string; age: number }[] }>>()

const long = defineSignature({
  inputs: { question: 'str', context: { type: 'list[Person]', desc: 'who' } },
  outputs: { answer: "Literal['yes', 'no']" },
  types: { Person },
})
is<Eq<InputOf<typeof long>, { question: string; context: { name: string; age: number }[] }>>()
is<Eq<OutputOf<typeof long>, { answer: 'yes' | 'no' }>>()

const open = dynamicSignature(String(Math.PI))
is<Eq<InputOf<typeof open>, Record<string, unknown>>>()

const generated = signatures<{ 'q -> a': { in: { q: string }; out: { a: 'looked up' } } }>({})
const looked = generated.signature('q -> a', { desc: { a: 'x' } })
is<Eq<OutputOf<typeof looked>, { a: 'looked up' }>>()
const read = generated.signature('q -> b')
is<Eq<OutputOf<typeof read>, { b: string }>>()

// @ts-expect-error field 'a': unknown type 'string'; did you mean 'str'?
signature('q -> a: string')
// @ts-expect-error not a literal text; use dynamicSignature(...)
signature(String('q -> a'))
// @ts-expect-error field 'p': unknown type 'Persn'; pass it in 'types'
signature('p: Persn -> a', { types: { Person } })
// @ts-expect-error no field 'answer'
signature('q -> a', { desc: { answer: 'x' } })
// @ts-expect-error unknown type 'string'; did you mean 'str'?
defineSignature({ inputs: { q: 'string' }, outputs: { a: 'str' } })
// @ts-expect-error 'list' takes 1 type, not 2
defineSignature({ inputs: { q: 'str' }, outputs: { a: { type: 'list[int, str]', desc: 'x' } } })
// @ts-expect-error field 'class': is a keyword of Python
defineSignature({ inputs: { class: 'str' }, outputs: { a: 'str' } })
// @ts-expect-error field 'a b': a name is a letter, then letters, digits and '_'
defineSignature({ inputs: { q: 'str' }, outputs: { 'a b': { type: 'str' } } })
// @ts-expect-error is both an input and an output
defineSignature({ inputs: { q: 'str' }, outputs: { q: 'str' } })
// @ts-expect-error no such member
defineSignature({ inputs: { q: { type: 'str', dsc: 'typo' } }, outputs: { a: 'str' } })
defineSignature({ inputs: { q: 'str' }, outputs: { prediction: 'float' } })
