import { redraw, type Size } from './redraw'

/** What is asked of the worker, whose answer is a picture, or nothing. */
export interface Task {
  file: Blob
  /** The size as it is shown. */
  size: Size
  /** Bytes. */
  most: number
  mayBeClear: boolean
}

async function bitmap(file: Blob) {
  try {
    return await createImageBitmap(file, { imageOrientation: 'from-image' })
  } catch {
    return createImageBitmap(file) // a browser that does not know the word turns pictures by itself
  }
}

addEventListener('message', (e: MessageEvent<Task>) => {
  const { file, size, most, mayBeClear } = e.data
  const draw = async () => {
    const source = await bitmap(file)
    // One that is not the right way up would stay so.
    if (source.width * size.height !== source.height * size.width) return undefined
    return redraw(source, source, most, mayBeClear, ({ width, height }) => {
      const canvas = new OffscreenCanvas(width, height)
      return { context: canvas.getContext('2d', { willReadFrequently: mayBeClear })!, blob: (type, quality) => canvas.convertToBlob({ type, quality }) }
    })
  }
  draw().then(postMessage, () => postMessage(undefined))
})
