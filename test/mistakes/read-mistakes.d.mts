/** By mistake, as its comment names it: the lines of its errors and those that explain them. */
export type Mistakes = ReadonlyMap<string, readonly string[]>

/** Compiles `api-mistakes.ts` in a folder with its `tsconfig.json`; what belongs to no mistake stands under `none`. */
export declare function readMistakes(folder: URL): Mistakes
/** For a snapshot that people read. */
export declare function shown(read: Mistakes): string
