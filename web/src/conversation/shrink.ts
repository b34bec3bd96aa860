import { isShown, type Kind } from './pictureKind'
import { redraw, type Size } from './redraw'
import type { Task } from './redraw.worker'

/** The server takes no larger files. In bytes. */
export const largest = 20 * 1024 * 1024

/** Pixels beyond which the server may find a picture too much to look at. */
const many = 25_000_000

/** A picture that comes in another form may get larger by it, up to so many bytes. */
const small = 256 * 1024

/** After how many ms a picture is sent as it is. */
const patience = 40_000

/**
 * A picture that the server shows, made of one that it does not: because it is too large, or of a kind it does not know. Undefined where
 * there is no need, or where this browser cannot. `must`: the server has not taken it as it is.
 */
export async function shrink(file: Blob, kind: Kind, must = false): Promise<Blob | undefined> {
  if (kind.moves) return undefined
  const image = await load(file)
  if (!image) return undefined
  try {
    const size = { width: image.naturalWidth, height: image.naturalHeight }
    if (!must && isShown(kind.mime) && size.width * size.height <= many && file.size <= largest) return undefined
    const most = Math.min(largest, isShown(kind.mime) ? file.size : Math.max(file.size, small))
    const task = { file, size, most, mayBeClear: kind.mime !== 'image/jpeg' }
    const made = await inWorker(task)
    return made === undefined ? await inPage(image, task) : (made ?? undefined)
  } finally {
    URL.revokeObjectURL(image.src)
  }
}

/** The picture, as far as its size is known: it is not decoded yet. Undefined where the browser cannot show it. */
function load(file: Blob): Promise<HTMLImageElement | undefined> {
  const image = new Image()
  return new Promise((done) => {
    image.onload = () => done(image.naturalWidth ? image : undefined)
    image.onerror = () => {
      URL.revokeObjectURL(image.src)
      done(undefined)
    }
    image.src = URL.createObjectURL(file)
  })
}

/** Off the page's thread; undefined where the browser cannot do that, null where it takes too long. */
function inWorker(task: Task): Promise<Blob | null | undefined> {
  if (typeof Worker === 'undefined' || typeof OffscreenCanvas === 'undefined') return Promise.resolve(undefined)
  const worker = new Worker(new URL('./redraw.worker.ts', import.meta.url))
  return new Promise<Blob | null | undefined>((done) => {
    const timer = setTimeout(() => done(null), patience)
    worker.onmessage = (e: MessageEvent<Blob | undefined>) => {
      clearTimeout(timer)
      done(e.data)
    }
    worker.onerror = () => {
      clearTimeout(timer)
      done(undefined)
    }
    worker.postMessage(task)
  }).finally(() => worker.terminate())
}

/** Older browsers, and pictures that are cut off: `<img>` shows what there is of them. */
async function inPage(image: HTMLImageElement, { size, most, mayBeClear }: Task): Promise<Blob | undefined> {
  try {
    return await redraw(image, size, most, mayBeClear, ({ width, height }: Size) => {
      const canvas = document.createElement('canvas')
      canvas.width = width
      canvas.height = height
      return { context: canvas.getContext('2d', { willReadFrequently: mayBeClear })!, blob: (type, quality) => new Promise((done) => canvas.toBlob(done, type, quality)) }
    })
  } catch {
    return undefined // no memory for it
  }
}
