// Notifications of the system. A browser may have none, none for a page (Chrome on Android throws), or refuse to say in a frame.

/** Whether one has not been asked yet. */
export function mayAsk() {
  try {
    return Notification.permission === 'default'
  } catch {
    return false
  }
}

export function ask() {
  try {
    void Promise.resolve(Notification.requestPermission()).catch(() => {}) // older browsers answer nothing
  } catch {
    // Then there are none.
  }
}

/** Shows one, if one may; those with the same tag take each other's place. */
export function notify(title: string, options: NotificationOptions, onClick: () => void) {
  try {
    if (Notification.permission !== 'granted') return
    const note = new Notification(title, options)
    note.onclick = () => {
      onClick()
      note.close()
    }
  } catch {
    // The sound and the title tell, too.
  }
}
