import { defineConfig } from 'vitest/config'

// Tests run on sources: the `troupe-source` export condition makes a build unnecessary.
const conditions = ['troupe-source', 'node', 'import', 'module', 'default']

// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    restoreMocks: true,
  },
})
