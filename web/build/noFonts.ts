import type { Plugin } from 'vite'

/** Leaves out the fonts that ChatUI's styles would load from another host. */
export function noFonts(): Plugin {
  return {
    name: 'no-fonts',
    enforce: 'pre',
    transform: (code, id) => (id.includes('@chatui') && id.endsWith('.css') ? code.replace(/@font-face\s*\{[^}]*\}/g, '') : undefined),
  }
}
