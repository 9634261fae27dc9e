/**
 * Domains: Standard Schemas that know their own bounds, so that a sampler can search them. A space is a record of domains.
 *
 * 1. What a domain accepts is what its wire form describes: TypeScript and Python agree on every value.
 * 2. Bounds that no sampler could use are refused when the domain is made, not when a study runs.
 * 3. The wire form is plain data, made once; it is the `space` argument of `optuna.ask`.
 */
import type { AnySchema } from '@troupe/core'

/** What one parameter of a trial can be. */
export type Value = number | boolean | string

export type WireDomain =
  | {
      readonly kind: 'float'
      readonly low: number
      readonly high: number
      readonly log?: boolean
      readonly step?: number
    }
  | {
      readonly kind: 'int'
      readonly low: number
      readonly high: number
      readonly log?: boolean
      readonly step?: number
    }
  | { readonly kind: 'choice'; readonly choices: readonly Value[] }

export interface Domain<T extends Value> extends AnySchema {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: 'troupe'
    readonly validate: (value: unknown) => { readonly value: T } | { readonly issues: readonly { message: string }[] }
    readonly types?: { readonly input: T; readonly output: T } | undefined
  }
  readonly wire: WireDomain
}

export type Space = { readonly [name: string]: Domain<Value> | Domain<number> | Domain<string> | Domain<boolean> }
/** Says in the error message itself what no sampler can search. */
export type Searchable<S> = {
  readonly [K in keyof S]: S[K] extends Space[string]
    ? S[K]
    : 'not searchable: declare it with float(), int() or choice()'
}
export type WireSpace = { readonly [name: string]: WireDomain }
/** Parameters as they travel and are recorded: what a space's `Params` are without their names. */
export type Assignment = { readonly [name: string]: Value }
/** The parameters of a trial, typed from the space. */
export type Params<S> = { readonly [K in keyof S]: S[K] extends Domain<infer T> ? T : never }

export interface RangeOptions {
  /** Search the logarithm; needs a positive low end and no step. @defaultValue false */
  readonly log?: boolean
  /** Only `low + k * step`. @defaultValue any number for `float`, 1 for `int` */
  readonly step?: number
}

/** @throws RangeError for bounds that are not finite, reversed, or that `log` and `step` cannot go with */
export function float(low: number, high: number, options: RangeOptions = {}): Domain<number> {
  checkRange('float', low, high, options)
  return range({ kind: 'float', low, high, ...options })
}

/** @throws RangeError as `float`, and for bounds that are not whole */
export function int(low: number, high: number, options: RangeOptions = {}): Domain<number> {
  checkRange('int', low, high, options)
  if (![low, high, options.step ?? 1].every(Number.isSafeInteger)) {
    throw new RangeError(`int(${low}, ${high}): bounds and step must be whole numbers`)
  }
  return range({ kind: 'int', low, high, ...options })
}

/** @throws RangeError for two choices that are equal in Python, where 1 and true are */
export function choice<const V extends readonly [Value, ...Value[]]>(values: V): Domain<V[number]> {
  if (new Set(values.map(inPython)).size < values.length) {
    throw new RangeError(`choice(${JSON.stringify(values)}): two choices are equal (1 and true are, in Python)`)
  }
  const isOne = (value: unknown): value is V[number] => values.some((known) => known === value)
  return domain({ kind: 'choice', choices: values }, isOne, `one of ${JSON.stringify(values)}`)
}

export function isSpace<S extends { readonly [name: string]: unknown }>(space: S): space is S & Space {
  return Object.values(space).every((domain) => typeof domain === 'object' && domain !== null && 'wire' in domain)
}

export function spaceToWire(space: Space): WireSpace {
  return Object.fromEntries(Object.entries(space).map(([name, { wire }]) => [name, wire]))
}

/** Whether these are parameters of the space: every name, no other, each value in its domain. */
export function fits<S extends Space>(space: S, params: unknown): params is Params<S> {
  return misfit(space, params) === undefined
}

/** Why these are not parameters of the space; undefined when they are. */
export function misfit(space: Space, params: unknown): string | undefined {
  if (typeof params !== 'object' || params === null) return 'the parameters are no record'
  for (const name of Object.keys(params)) if (!Object.hasOwn(space, name)) return `'${name}' is not in the space`
  for (const [name, { '~standard': schema }] of Object.entries(space)) {
    const result = schema.validate(Reflect.get(params, name))
    if ('issues' in result) return `'${name}': ${result.issues.map(({ message }) => message).join('; ')}`
  }
  return undefined
}

function range(wire: WireDomain & { readonly kind: 'float' | 'int' }): Domain<number> {
  const { kind, low, high, step = kind === 'int' ? 1 : undefined } = wire
  const accepts = (value: unknown): value is number =>
    typeof value === 'number' && value >= low && value <= high && onGrid(value, low, step)
  const grid = step === undefined ? '' : ` in steps of ${step}`
  return domain(wire, accepts, `${kind === 'int' ? 'a whole number' : 'a number'} from ${low} to ${high}${grid}`)
}

/** Steps like 0.1 do not add up exactly; Optuna allows the same slack. */
function onGrid(value: number, low: number, step: number | undefined): boolean {
  if (step === undefined) return true
  const steps = (value - low) / step
  return Math.abs(steps - Math.round(steps)) < 1e-8
}

function domain<T extends Value>(
  wire: WireDomain,
  accepts: (value: unknown) => value is T,
  expected: string,
): Domain<T> {
  return {
    '~standard': {
      version: 1,
      vendor: 'troupe',
      validate: (value) => (accepts(value) ? { value } : { issues: [{ message: `expected ${expected}` }] }),
    },
    wire,
  }
}

function checkRange(kind: string, low: number, high: number, { log = false, step }: RangeOptions): void {
  const refuse = (why: string) => {
    throw new RangeError(`${kind}(${low}, ${high}): ${why}`)
  }
  if (!Number.isFinite(low) || !Number.isFinite(high)) refuse('bounds must be finite')
  if (low > high) refuse('the low end is above the high end')
  if (step !== undefined && !(step > 0)) refuse(`a step must be above 0, not ${step}`)
  if (log && low <= 0) refuse('log needs a low end above 0')
  if (log && step !== undefined) refuse('log and step exclude each other')
}

function inPython(value: Value): Value {
  return typeof value === 'boolean' ? Number(value) : value
}
