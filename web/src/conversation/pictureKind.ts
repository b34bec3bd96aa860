/** What a picture is, by its first bytes: names and the types made of them are often wrong. */
export interface Kind {
  mime: string
  /** Has more than one frame; only the first would be left. */
  moves: boolean
}

/** The pictures that the server shows as such. */
const shown = ['image/jpeg', 'image/png', 'image/gif', 'image/webp']

export const isShown = (mime: string | undefined) => shown.includes(mime ?? '')

/** Those a browser may know how to show, though not all do. */
export const mayBeShown = (mime: string | undefined) => /^image\/(hei[cf](-sequence)?|avif)$/.test(mime ?? '')

/** How far into a file is looked. */
const far = 4096

/** Undefined for what is no picture; rejects where the file cannot be read. */
export async function kindOf(file: Blob): Promise<Kind | undefined> {
  const bytes = new Uint8Array(await file.slice(0, far).arrayBuffer())
  const head = String.fromCharCode(...bytes)
  const kind = (mime: string, moves = false): Kind => ({ mime, moves })
  if (head.startsWith('\xff\xd8\xff')) return kind('image/jpeg')
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return kind('image/png', /acTL/.test(head.split('IDAT')[0]!))
  if (head.startsWith('GIF8')) return kind('image/gif', true) // mostly, and small if not
  if (head.startsWith('RIFF') && head.startsWith('WEBP', 8)) return kind('image/webp', head.startsWith('VP8X', 12) && Boolean(bytes[20]! & 2))
  if (head.startsWith('BM') && head.startsWith('\0\0\0\0', 6)) return kind('image/bmp')
  if (/^(II\*\0|MM\0\*)/.test(head)) return kind('image/tiff')
  if (!head.startsWith('ftyp', 4)) return undefined
  const brand = head.slice(8, 12)
  if (/^avi[fs]$/.test(brand)) return kind('image/avif', brand === 'avis')
  if (/^(hei[cxms]|mif1|heif)$/.test(brand)) return kind('image/heic')
  if (/^(hev[cxms]|msf1)$/.test(brand)) return kind('image/heic', true)
  return undefined
}
