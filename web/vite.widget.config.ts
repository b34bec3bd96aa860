import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'
import { compressed } from './build/compressed.ts'

// One script for other people's sites: no chunks, no hash in its name.
export default defineConfig({
  resolve: { alias: { 'bellhop-client': fileURLToPath(new URL('../clients/js/src/index.ts', import.meta.url)) } },
  plugins: [compressed()],
  build: {
    target: ['chrome100', 'safari15.4', 'firefox100'],
    emptyOutDir: false,
    lib: { entry: fileURLToPath(new URL('src/widget/widget.ts', import.meta.url)), name: 'Bellhop', formats: ['iife'], fileName: () => 'widget.js' },
  },
})
