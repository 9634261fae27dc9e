/** One error code as both languages know it. */
export type ErrorRow = readonly [code: string, retryable: boolean, applied: string]

export interface GoldenFrame {
  readonly name: string
  readonly json: { readonly [field: string]: unknown }
  readonly hex: string
  readonly data: Uint8Array
}

export declare function rowOf(error: {
  readonly code: string
  readonly retryable: boolean
  readonly applied: string
}): ErrorRow
export declare function inOrder(rows: readonly ErrorRow[]): ErrorRow[]
/** What the table says this package raises, in order of the codes. */
export declare function errorRows(raisedBy: 'core' | 'actors' | 'bridge-python' | 'llm' | 'resilience'): ErrorRow[]
/** @throws Error when there is no frame of this name */
export declare function goldenFrame(name: string): GoldenFrame
