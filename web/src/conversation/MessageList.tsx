import { useEffect, useLayoutEffect, useRef, useState } from 'react'
import { VList, type VListHandle } from 'virtua'
import { Guard } from '../lib/Guard'
import { Icon } from '../lib/icons'
import { useT } from '../lib/i18n'
import type { Item } from './items'
import { Row, type RowContext } from './Row'

interface Props {
  items: readonly Item[]
  ctx: RowContext
  more: boolean
  loading: boolean
  onOlder: () => void
  /** Called when the newest message is in view, and again for each new one. */
  onBottom: () => void
  /** A message to show, by seq. */
  jump?: { seq: number }
}

const near = 120

/** A session's messages: only what is in view is rendered, and older ones may come in above without a jump. */
export function MessageList({ items, ctx, more, loading, onOlder, onBottom, jump }: Props) {
  const t = useT()
  const list = useRef<VListHandle>(null)
  const atBottom = useRef(true)
  const shownLast = useRef<string>(undefined)
  const [away, setAway] = useState(false)
  const [seenTo, setSeenTo] = useState<string>()
  const news = away ? items.length - 1 - items.findLastIndex((i) => i.id === seenTo) : 0
  const first = items[0]?.id
  const last = items.at(-1)
  // What came in above must not move what is in view.
  const [ends, setEnds] = useState({ first, last: last?.id, prepended: false })
  if (ends.first !== first || ends.last !== last?.id) setEnds({ first, last: last?.id, prepended: ends.first !== first && ends.last === last?.id })

  const toBottom = () => list.current?.scrollToIndex(items.length, { align: 'end' })
  const end = useRef(toBottom)
  useEffect(() => {
    end.current = toBottom
  })

  useLayoutEffect(() => {
    if (!last) return
    const own = last.id !== shownLast.current && (last.kind === 'pending' || last.kind === 'upload')
    shownLast.current = last.id
    if (own || atBottom.current) {
      toBottom()
      if (document.visibilityState === 'visible') onBottom()
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps -- what comes in anywhere moves the list's end, not only after the last one
  }, [items])

  useEffect(() => {
    const seen = () => document.visibilityState === 'visible' && atBottom.current && onBottom()
    document.addEventListener('visibilitychange', seen)
    return () => document.removeEventListener('visibilitychange', seen)
  }, [onBottom])

  // What appears above or below takes from the list's height: it stays at its end.
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!box.current) return
    const o = new ResizeObserver(() => atBottom.current && end.current())
    o.observe(box.current)
    return () => o.disconnect()
  }, [])

  useEffect(() => {
    const i = jump ? items.findIndex((it) => it.kind === 'message' && it.message.seq === jump.seq) : -1
    if (i >= 0) list.current?.scrollToIndex(i + 1, { align: 'center' })
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once for each jump
  }, [jump])

  // A page may be short: where what is held does not reach beyond the top of the view, nobody can scroll for more. Once for each
  // first message, so that a refusal is not asked again and again.
  const asked = useRef<string>(undefined)
  useEffect(() => {
    if (!more || loading || asked.current === first) return
    const timer = setTimeout(() => {
      const l = list.current
      if (!l || l.scrollSize > l.viewportSize + near) return
      asked.current = first
      onOlder()
    }, 100) // sizes are known when it has been laid out
    return () => clearTimeout(timer)
  }, [first, more, loading, onOlder])

  const onScroll = (offset: number) => {
    const l = list.current
    if (!l) return
    atBottom.current = l.scrollSize - offset - l.viewportSize < near
    setAway(!atBottom.current)
    if (atBottom.current) {
      setSeenTo(last?.id)
      onBottom()
    }
    if (offset < 400 && more && !loading) onOlder()
  }

  return (
    <div className="bh-list" ref={box}>
      <VList ref={list} shift={ends.prepended} onScroll={onScroll} className="bh-scroll" role="log" aria-label={t('messages')} aria-live="polite" tabIndex={0}>
        {[
          <div key="top" className="bh-top">{more ? <span className="bh-spinner" aria-label={t('loading')} /> : null}</div>,
          ...items.map((item) => (
            <Guard key={item.id} of={item} name={`message ${item.kind === 'message' ? item.message.seq : item.id}`}>
              <Row item={item} ctx={ctx} />
            </Guard>
          )),
        ]}
      </VList>
      {away && (
        <button type="button" className="bh-down" onClick={toBottom} aria-label={t('to-bottom')}>
          <Icon name="down" size={18} />
          {news > 0 && <b>{t('new-messages', { n: news })}</b>}
        </button>
      )}
    </div>
  )
}
