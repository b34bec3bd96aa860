import type { ReactNode } from 'react'

/** A table that may be wider than the page: whoever has no mouse can scroll it, too. */
export function Wide({ label, children }: { label: string; children: ReactNode }) {
  return <div className="sup-wide" role="region" aria-label={label} tabIndex={0}>{children}</div>
}
