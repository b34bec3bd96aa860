/** All that goes wrong here ends here: the site must not notice. */
export function warn(what: string, e?: unknown) {
  // eslint-disable-next-line no-console -- the only way to tell the site's developers
  console.warn(`Bellhop: ${what}`, ...(e === undefined ? [] : [e]))
}
