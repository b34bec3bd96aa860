import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const alias = { 'bellhop-client': fileURLToPath(new URL('../clients/js/src/index.ts', import.meta.url)) }

export default defineConfig({
  test: {
    projects: [
      { resolve: { alias }, test: { name: 'unit', include: ['src/**/*.test.ts', 'src/**/*.test.tsx'] } },
      {
        resolve: { alias },
        test: { name: 'e2e', globalSetup: './e2e/setup.ts', include: ['e2e/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000, maxWorkers: 2, sequence: { groupOrder: 1 }, retry: 0 },
      },
    ],
  },
})
