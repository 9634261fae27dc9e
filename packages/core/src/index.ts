export * from './address.ts'
export * from './errors.ts'
export * from './ports.ts'
