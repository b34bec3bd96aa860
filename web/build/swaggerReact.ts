import type { Plugin } from 'vite'

const shim = '\0swagger-react-dom'

/** Swagger UI takes `createRoot` from `react-dom`, where React had it until version 18. */
export function swaggerReact(): Plugin {
  return {
    name: 'swagger-react',
    enforce: 'pre',
    resolveId: (source, importer) => (source === 'react-dom' && importer?.includes('/swagger-ui/dist/') ? shim : undefined),
    load: (id) => (id === shim ? `import all from 'react-dom'; import { createRoot } from 'react-dom/client'; export default { ...all, createRoot }` : undefined),
  }
}
