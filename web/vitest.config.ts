import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const alias = { 'bellhop-client': fileURLToPath(new URL('../clients/js/src/index.ts', import.meta.url)) }
const browsers = { globalSetup: './e2e/setup.ts', testTimeout: 120_000, hookTimeout: 120_000, retry: 0 }
const timed = 'e2e/quick.test.ts'

export default defineConfig({
  test: {
    projects: [
      { resolve: { alias }, test: { name: 'unit', include: ['src/**/*.test.ts', 'src/**/*.test.tsx'] } },
      { resolve: { alias }, test: { ...browsers, name: 'e2e', include: ['e2e/**/*.test.ts'], exclude: [timed], maxWorkers: 2, sequence: { groupOrder: 1 } } },
      // What is measured in time has the machine for itself.
      { resolve: { alias }, test: { ...browsers, name: 'timed', include: [timed], maxWorkers: 1, sequence: { groupOrder: 2 } } },
    ],
  },
})
