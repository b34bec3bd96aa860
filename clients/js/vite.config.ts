import { defineConfig } from 'vite'

const minify = { output: { minify: true } } // a library's spaces are kept otherwise

// `--mode mini`: for mini programs, as a module for bundlers, and as the folder that WeChat's tools take from npm.
export default defineConfig(({ mode }) =>
  mode === 'mini'
    ? {
        build: {
          lib: { entry: 'src/mini.ts', formats: ['es', 'cjs'], fileName: (format) => (format === 'es' ? 'mini.js' : 'mini/index.js') },
          target: 'es2017',
          emptyOutDir: false,
          rolldownOptions: minify,
        },
      }
    : { build: { lib: { entry: 'src/index.ts', formats: ['es'], fileName: 'index' }, target: 'es2022', sourcemap: true, rolldownOptions: minify } },
)
