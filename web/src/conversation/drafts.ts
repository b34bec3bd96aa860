import { useCallback, useState } from 'react'

const drafts = new Map<string, string>()

/** What is being written in a session, kept while one looks at others. */
export function useDraft(session: string): [string, (text: string) => void] {
  const [, again] = useState(0)
  const set = useCallback(
    (text: string) => {
      drafts.set(session, text)
      again((n) => n + 1)
    },
    [session],
  )
  return [drafts.get(session) ?? '', set]
}
