import { useEffect, useRef, useState, type CSSProperties, type KeyboardEvent } from 'react'
import { createPortal } from 'react-dom'
import { Icon, type IconName } from '../lib/icons'

export interface MenuItem {
  icon: IconName
  label: string
  act: () => void
}

/** A button with a menu over everything else: the list clips what is inside its rows. `items` is asked when it opens. */
export function Menu({ label, items, className }: { label: string; items: () => MenuItem[]; className: string }) {
  const button = useRef<HTMLButtonElement>(null)
  const [at, setAt] = useState<{ style: CSSProperties; items: MenuItem[] }>()
  const open = () => {
    const { top, bottom, left, right } = button.current!.getBoundingClientRect()
    const y = top > innerHeight / 2 ? { bottom: innerHeight - top } : { top: bottom }
    setAt({ style: { ...y, ...(left > innerWidth / 2 ? { right: innerWidth - right } : { left }) }, items: items() })
  }
  const close = (back = true) => {
    setAt(undefined)
    if (back) button.current?.focus({ preventScroll: true })
  }
  return (
    <>
      <button ref={button} type="button" className={`${className} bh-icon`} aria-label={label} aria-haspopup="menu" aria-expanded={Boolean(at)} data-open={Boolean(at)} onClick={open}>
        <Icon name="more" size={18} />
      </button>
      {at && createPortal(<Items at={at.style} items={at.items} onClose={close} />, document.body)}
    </>
  )
}

function Items({ at, items, onClose }: { at: CSSProperties; items: MenuItem[]; onClose: (back?: boolean) => void }) {
  const menu = useRef<HTMLDivElement>(null)
  const close = useRef(onClose)
  useEffect(() => {
    close.current = onClose
  })
  useEffect(() => {
    menu.current?.querySelector('button')?.focus({ preventScroll: true })
    const outside = (e: Event) => !menu.current?.contains(e.target as Node) && close.current(false)
    document.addEventListener('pointerdown', outside, true)
    document.addEventListener('scroll', outside, true)
    return () => {
      document.removeEventListener('pointerdown', outside, true)
      document.removeEventListener('scroll', outside, true)
    }
  }, [])
  const key = (e: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key]
    if (e.key === 'Escape' || e.key === 'Tab') onClose()
    else if (step) {
      const all = [...menu.current!.querySelectorAll('button')]
      all[(all.indexOf(document.activeElement as HTMLButtonElement) + step + all.length) % all.length]?.focus()
    } else return
    e.preventDefault()
    e.stopPropagation()
  }
  return (
    <div ref={menu} className="bh-menu" role="menu" style={at} onKeyDown={key}>
      {items.map(({ icon, label, act }) => (
        <button type="button" role="menuitem" key={label} onClick={() => { onClose(); act() }}>
          <Icon name={icon} size={18} />
          {label}
        </button>
      ))}
    </div>
  )
}
