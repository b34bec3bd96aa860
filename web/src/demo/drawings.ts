/** Outlines on a grid of 64: a phone with a bubble, a headset, and a chart that is watched. */
export const drawings = {
  user: 'M20 6h24a4 4 0 0 1 4 4v44a4 4 0 0 1-4 4H20a4 4 0 0 1-4-4V10a4 4 0 0 1 4-4zM28 52h8M24 18h16v12H32l-5 5v-5h-3z',
  agent: 'M12 38V32a20 20 0 0 1 40 0v6M12 36h6v14h-2a4 4 0 0 1-4-4zM52 36h-6v14h2a4 4 0 0 0 4-4zM50 50c0 5-6 7-12 7M38 57a3 3 0 1 1-6 0 3 3 0 0 1 6 0z',
  supervisor: 'M8 8v46h48M18 46V34M28 46V24M38 46V30M48 46V16M18 24l10-10 10 7 10-11',
} as const
