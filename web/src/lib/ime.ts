// An input method's keys choose characters: Enter confirms a choice, Escape and arrows are its own. They must do nothing else.

/** How long after a composition its last key may still come, in ms. */
const afterwards = 30

/**
 * Keeps the keys of input methods from every handler and shortcut of a page; the field they are typed in gets them all the same. It must
 * listen before all others.
 */
export function guardComposition(page: EventTarget = window) {
  let pressed = false // a key of the input method, not let go yet
  let ended = -Infinity // a composition whose last key was not told of yet, at that time

  const keydown = (e: KeyboardEvent) => {
    // 229: a key that an input method has taken (UI Events, 5.2.4). It is all that Safari says of the last one.
    pressed = e.isComposing || e.keyCode === 229
    const last = !pressed && e.timeStamp - ended < afterwards
    ended = -Infinity
    if (!pressed && !last) return
    e.stopImmediatePropagation()
    // Nor what the browser itself does with them: a form sent, a search field emptied, a dialog closed. A line break is text.
    if (/^(Escape|Tab|Arrow)/.test(e.key) || (e.key === 'Enter' && (last || !(e.target instanceof HTMLTextAreaElement)))) e.preventDefault()
  }
  page.addEventListener('keydown', keydown as EventListener, true)
  page.addEventListener('keyup', () => {
    pressed = false
    ended = -Infinity
  }, true)
  // Safari tells of the key that ends a composition behind it, others before.
  page.addEventListener('compositionend', (e) => {
    if (!pressed) ended = e.timeStamp
  }, true)
}
