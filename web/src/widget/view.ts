import { texts } from './texts'
import css from './widget.css?inline'

export interface Look {
  lang: string
  color?: string
  position?: 'right' | 'left'
}

export interface ViewOptions extends Look {
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
  private text = texts('')
  private observer = new MutationObserver(() => this.stay())
  private watched?: Element
  private returned = 0
  private removed = false

  constructor(opt: ViewOptions) {
    this.host.style.setProperty('all', 'initial', 'important')
    this.host.style.setProperty('position', 'absolute', 'important') // it takes no room
    const shadow = this.host.attachShadow({ mode: 'open' })
    style(shadow, opt.nonce)
    this.root = element('div', 'root', shadow)
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
    this.observer.observe(document, { childList: true })
    this.stay()
    this.look(opt)
  }

  look({ lang, color, position }: Look) {
    this.text = texts(lang)
    this.host.lang = lang
    this.root.classList.toggle('left', position === 'left')
    if (this.frame) this.frame.title = this.text.frame
    this.paint(color)
    this.show()
  }

  setUnread(n: number) {
    this.unread = n
    this.show()
  }

  open(address: string, focus: boolean) {
    const panel = element('div', 'panel', this.root)
    panel.id = 'panel'
    const frame = element('iframe', '', panel)
    frame.title = this.text.frame
    frame.allow = 'microphone; clipboard-write'
    if (focus) frame.addEventListener('load', () => frame.focus(), { once: true })
    frame.src = address
    this.frame = frame
    this.show()
    if (focus) frame.focus()
  }

  close() {
    const within = this.host.shadowRoot?.activeElement
    this.frame?.parentElement?.remove()
    this.frame = undefined
    this.show()
    if (within) this.button.focus() // but somebody who went on to the site stays there
  }

  remove() {
    this.removed = true
    this.observer.disconnect()
    this.host.remove()
  }

  /**
   * Beside the body, not in it: sites replace that, as Turbo, Astro, htmx and pjax do, and a frame that is moved begins anew. Who
   * replaces all of the page finds it there again.
   */
  private stay() {
    const html = document.documentElement as HTMLElement | null
    if (!html || this.removed) return
    if (html !== this.watched) this.observer.observe((this.watched = html), { childList: true })
    if (this.host.parentNode === html) return
    const now = performance.now()
    // Somebody takes it away at once: not to play ping-pong with them.
    if (this.returned && now - this.returned < 100) return void setTimeout(() => this.stay(), 1000)
    this.returned = now
    html.appendChild(this.host)
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
  private paint(color = '') {
    if (CSS.supports('color', color)) this.root.style.setProperty('--color', color)
    else this.root.style.removeProperty('--color')
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
