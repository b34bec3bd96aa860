import { useEffect, useRef, type RefObject } from 'react'

/** What somebody pastes or drops: text where there is some, else files. */
export interface Brought {
  text: string
  files: File[]
  /** Folders, whose files are still to be read. */
  folders: FileSystemDirectoryEntry[]
}

/** Whether each line only says where a file is, or what it is called: what comes with files that are copied, and with pictures of sites. */
function onlyNames(text: string, names: readonly string[], addresses: string) {
  const lines = text.split(/[\r\n]+/).map((l) => l.trim()).filter(Boolean)
  const told = addresses.split(/[\r\n]+/).map((l) => l.trim())
  return lines.every((l) => /^(file:\/\/|blob:|data:image\/)\S+$/i.test(l) || told.includes(l) || names.some((n) => l === n || l.endsWith(`/${n}`) || l.endsWith(`\\${n}`)))
}

/** What HTML says: a table's cells with tabs between them, as spreadsheets do. */
function textOf(html: string) {
  const body = new DOMParser().parseFromString(html, 'text/html').body
  for (const e of body.querySelectorAll('style, script')) e.remove()
  const rows = [...body.querySelectorAll('tr')].map((r) => [...r.children].map((c) => c.textContent.trim()).join('\t'))
  return (rows.length ? rows.join('\n') : body.textContent).trim()
}

/** Must be called while the event is handled; afterwards a browser gives nothing of it. */
export function brought(data: DataTransfer): Brought {
  const entries = [...data.items].map((i) => (i.kind === 'file' ? (i.webkitGetAsEntry?.() ?? undefined) : undefined))
  const folders = entries.filter((e) => e?.isDirectory) as FileSystemDirectoryEntry[]
  const files = [...data.files].filter((f) => !folders.some((d) => d.name === f.name && !f.type))
  const plain = data.getData('text/plain')
  const addresses = data.getData('text/uri-list')
  // Cells of a spreadsheet come as text, as HTML, and as a picture of them.
  const names = [...files, ...folders].map((f) => f.name)
  if (plain.trim() && !(names.length && onlyNames(plain, names, addresses))) return { text: plain, files: [], folders: [] }
  const text = plain.trim() ? '' : textOf(data.getData('text/html')) || (files.length ? '' : addresses.split(/[\r\n]+/).filter((l) => !l.startsWith('#')).join('\n').trim())
  return text ? { text, files: [], folders: [] } : { text: '', files, folders }
}

/** The files of folders, and of folders in them; hidden ones are left out. At most so many. */
export async function filesIn(folders: readonly FileSystemDirectoryEntry[], most: number): Promise<File[]> {
  const out: File[] = []
  const open: FileSystemEntry[] = [...folders]
  while (open.length && out.length < most) {
    const entry = open.shift()!
    if (entry.name.startsWith('.')) continue
    if (entry.isDirectory) {
      const reader = (entry as FileSystemDirectoryEntry).createReader()
      // A reader gives a hundred at a time, and nothing at the end.
      for (let some; (some = await new Promise<FileSystemEntry[]>((done, no) => reader.readEntries(done, no))).length && open.length < 1000; ) open.push(...some)
    } else out.push(await new Promise<File>((done, no) => (entry as FileSystemFileEntry).file(done, no)))
  }
  return out
}

const editable = (target: EventTarget | null) => target instanceof Element && target.closest('input, textarea, select, [contenteditable]')

interface Handlers {
  onFiles: (files: File[], folders: FileSystemDirectoryEntry[]) => void
  /** Text for the field, where the browser does not put it there by itself. */
  onText: (text: string) => void
}

/** Takes what is pasted or dropped on a conversation. What is dropped beside it does nothing: browsers would leave the page for it. */
export function useTransfer(root: RefObject<HTMLElement | null>, on: Handlers | undefined) {
  const latest = useRef(on)
  useEffect(() => {
    latest.current = on
  })
  useEffect(() => {
    const take = (e: ClipboardEvent | DragEvent, data: DataTransfer | null, inside: boolean) => {
      const field = editable(e.target)
      const what = data && brought(data)
      if (!what) return
      const files = what.files.length + what.folders.length
      if (!files && field && (!what.text || data.getData('text/plain') === what.text)) return // the browser does it
      if (e instanceof ClipboardEvent && !files && !what.text) return
      e.preventDefault()
      if (!inside || !latest.current) return
      if (files) latest.current.onFiles(what.files, what.folders)
      else if (what.text) latest.current.onText(what.text)
    }
    const within = (e: Event) => Boolean(root.current?.contains(e.target as Node))
    // Who has clicked into the messages has no field that a paste could go to.
    const paste = (e: ClipboardEvent) => (within(e) || e.target === document.body) && !document.querySelector('dialog[open], .ant-modal-wrap:not([style*="none"])') && take(e, e.clipboardData, true)
    const drop = (e: DragEvent) => {
      if (within(e) || !editable(e.target) || e.dataTransfer?.types.includes('Files')) take(e, e.dataTransfer, within(e))
      if (!editable(e.target)) e.preventDefault()
    }
    const over = (e: DragEvent) => {
      if (editable(e.target) && !e.dataTransfer?.types.includes('Files')) return // the browser shows where
      e.preventDefault()
      if (e.dataTransfer && !(within(e) && latest.current)) e.dataTransfer.dropEffect = 'none'
    }
    document.addEventListener('paste', paste)
    document.addEventListener('drop', drop)
    document.addEventListener('dragover', over)
    return () => {
      document.removeEventListener('paste', paste)
      document.removeEventListener('drop', drop)
      document.removeEventListener('dragover', over)
    }
  }, [root])
}
