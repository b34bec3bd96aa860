/** Where the server is, without a slash at the end: pages are just below it, whatever the path under which a proxy serves them. */
export const base = new URL('.', location.href).href.replace(/\/$/, '')
