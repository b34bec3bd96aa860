import { texts } from './texts'
import css from './widget.css?inline'

export interface ViewOptions {
  lang: string
  color?: string
  position?: 'right' | 'left'
  /** Of the site's Content-Security-Policy, for browsers that need a style element. */
  nonce?: string
  onToggle: () => void
  onEscape: () => void
}

const icons = {
  chat: 'M21 11.5a8 8 0 0 1-11.600 7.100L4 20l1.400-4.400A8 8 0 1 1 21 11.500zM8.500 11.500h.1M12.500 11.500h.1M16.500 11.500h.1',
  close: 'M6 9l6 6 6-6',
}

function element<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, parent: Node) {
  const e = document.createElement(tag)
  e.className = className
  parent.appendChild(e)
  return e
}

/** Bubble, badge and frame, in a shadow root: the site's styles and these do not meet. Nothing here is markup or an inline style. */
export class View {
  frame?: HTMLIFrameElement
  private host = document.createElement('bellhop-widget')
  private root: HTMLElement
  private button: HTMLButtonElement
  private icon: SVGPathElement
  private badge: HTMLElement
  private unread = 0
  private text

  constructor(opt: ViewOptions) {
    this.text = texts(opt.lang)
    this.host.style.setProperty('all', 'initial', 'important')
    this.host.lang = opt.lang
    const shadow = this.host.attachShadow({ mode: 'open' })
    style(shadow, opt.nonce)
    this.root = element('div', opt.position === 'left' ? 'root left' : 'root', shadow)
    this.button = element('button', 'bubble', this.root)
    this.button.type = 'button'
    this.icon = drawing(this.button)
    this.badge = element('span', 'badge', this.button)
    this.badge.ariaHidden = 'true' // the button's label says it
    this.button.addEventListener('click', opt.onToggle)
    this.root.addEventListener('keydown', (e) => {
      if (e.key !== 'Escape' || !this.frame) return
      e.stopPropagation() // a dialog of the site's stays
      opt.onEscape()
    })
    this.show()
    document.body.appendChild(this.host)
    if (opt.color) this.paint(opt.color)
  }

  setUnread(n: number) {
    this.unread = n
    this.show()
  }

  open(address: string) {
    const panel = element('div', 'panel', this.root)
    panel.id = 'panel'
    const frame = element('iframe', '', panel)
    frame.title = this.text.frame
    frame.allow = 'microphone; clipboard-write'
    frame.addEventListener('load', () => frame.focus(), { once: true })
    frame.src = address
    this.frame = frame
    this.show()
    frame.focus()
  }

  close() {
    const within = this.host.shadowRoot?.activeElement
    this.frame?.parentElement?.remove()
    this.frame = undefined
    this.show()
    if (within) this.button.focus() // but somebody who went on to the site stays there
  }

  remove() {
    this.host.remove()
  }

  private show() {
    const { open, close, unread } = this.text
    const label = this.frame ? close : open
    this.root.classList.toggle('open', Boolean(this.frame))
    this.button.ariaExpanded = String(Boolean(this.frame))
    if (this.frame) this.button.setAttribute('aria-controls', 'panel')
    else this.button.removeAttribute('aria-controls')
    this.button.ariaLabel = this.unread ? `${label}, ${unread.replace('{n}', String(this.unread))}` : label
    this.icon.setAttribute('d', this.frame ? icons.close : icons.chat)
    this.badge.hidden = !this.unread
    this.badge.textContent = this.unread > 99 ? '99+' : String(this.unread)
  }

  /** On a bright colour the icon is dark. */
  private paint(color: string) {
    if (!CSS.supports('color', color)) return
    this.root.style.setProperty('--color', color)
    const [r = 0, g = 0, b = 0] = (/^rgba?\(([^)]*)/.exec(getComputedStyle(this.button).backgroundColor)?.[1] ?? '').split(/[ ,/]+/).map(Number)
    this.button.classList.toggle('bright', (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255 > 0.55)
  }
}

/** A constructed sheet needs no permission of the site's policy; a style element, for older browsers, its nonce. */
function style(shadow: ShadowRoot, nonce = '') {
  if ('adoptedStyleSheets' in shadow && 'replaceSync' in CSSStyleSheet.prototype) {
    const sheet = new CSSStyleSheet()
    sheet.replaceSync(css)
    shadow.adoptedStyleSheets = [sheet]
    return
  }
  const e = document.createElement('style')
  e.nonce = nonce
  e.textContent = css
  shadow.appendChild(e)
}

function drawing(parent: Node) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('viewBox', '0 0 24 24')
  svg.setAttribute('aria-hidden', 'true')
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path')
  svg.appendChild(path)
  parent.appendChild(svg)
  return path
}
