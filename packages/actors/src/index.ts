export * from './pool/index.ts'
