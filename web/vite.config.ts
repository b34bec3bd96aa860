import react from '@vitejs/plugin-react'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'
import { compressed } from './build/compressed.ts'
import { noFonts } from './build/noFonts.ts'
import { swaggerReact } from './build/swaggerReact.ts'

const root = (path: string) => fileURLToPath(new URL(path, import.meta.url))

// Four pages that share what they have in common; the widget is a build of its own.
export default defineConfig({
  base: './', // a proxy may serve them below any path
  plugins: [react(), noFonts(), swaggerReact(), compressed()],
  resolve: {
    dedupe: ['react', 'react-dom'],
    alias: [
      { find: 'bellhop-client', replacement: root('../clients/js/src/index.ts') },
      // Its `browser` build is one piece.
      { find: /^@chatui\/core$/, replacement: '@chatui/core/es/index.js' },
    ],
  },
  build: {
    target: ['chrome100', 'safari15.4', 'firefox100'],
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000,
    assetsInlineLimit: 0,
    rollupOptions: {
      // ChatUI does not say that its parts may be left out one by one.
      treeshake: { moduleSideEffects: (id) => !/node_modules\/(@chatui|core-js|core-js-pure|@babel|dompurify)\/.*\.js$/.test(id) },
      input: { chat: root('chat.html'), desk: root('desk.html'), demo: root('demo.html'), docs: root('docs.html') },
    },
  },
})
