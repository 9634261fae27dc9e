/**
 * One branch after the other, until one answers.
 *
 * 1. The result says which branch answered, and why the earlier ones did not.
 * 2. A branch runs when its own `when` takes the error before it; one that does not is passed over.
 * 3. When none answers, the error is that of the last branch that ran.
 */

export interface Branch<T> {
  readonly name: string
  readonly run: () => Promise<T>
  /** @defaultValue any error */
  readonly when?: ((error: unknown) => boolean) | undefined
}

export interface Answered<T> {
  readonly value: T
  readonly branch: string
  readonly failed: readonly { readonly branch: string; readonly error: unknown }[]
}

/** @param may asked before each further branch, with the error of the one before; false ends it with that error */
export async function fallback<T>(
  first: Branch<T>,
  others: readonly Branch<T>[],
  may: (error: unknown) => boolean = () => true,
): Promise<Answered<T>> {
  const failed: { readonly branch: string; readonly error: unknown }[] = []
  let branch: Branch<T> | undefined = first
  let left = others
  for (;;) {
    try {
      return { value: await branch.run(), branch: branch.name, failed }
    } catch (error) {
      failed.push({ branch: branch.name, error })
      const next = may(error) ? left.findIndex(({ when }) => when?.(error) ?? true) : -1
      branch = left[next]
      if (branch === undefined) throw error
      left = left.slice(next + 1)
    }
  }
}
