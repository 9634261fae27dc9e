export { type BuildOptions, type BuildReport, buildSignatures } from './build.ts'
export { importedSource } from './emit-imported.ts'
export type { Problem } from './find.ts'
