import { defineConfig } from 'vitest/config'

// Tests run on sources: the `troupe-source` export condition makes a build unnecessary.
const conditions = ['troupe-source', 'node', 'import', 'module', 'default']

// biome-ignore lint/style/noDefaultExport: vitest reads the default export
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    testTimeout: 20_000,
    hookTimeout: 30_000,
    restoreMocks: true,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'apps/*/src/**/*.test.ts', 'scripts/*.test.ts'],
        },
      },
      // Several processes and real time: one file after the other, so that each has the machine to itself.
      { extends: true, test: { name: 'cluster', include: ['test/**/*.test.ts'], fileParallelism: false } },
    ],
  },
})
