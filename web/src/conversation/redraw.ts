/** Something to draw on: a canvas of the page, or one of a worker. */
export interface Sheet {
  context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D
  /** Null where it cannot be done; another type than asked for where the browser does not know that one. */
  blob: (type: string, quality?: number) => Promise<Blob | null>
}

export interface Size {
  width: number
  height: number
}

/** How many pixels are tried, one after the other. The first is what canvases of all browsers hold; a screen shows fewer. */
const areas = [16_000_000, 8_000_000, 4_000_000, 1_000_000]

/** The longest side of a canvas that all browsers have. */
const longest = 32_767

/** A size of the same shape with at most so many pixels; never larger than it was. */
export function fit({ width, height }: Size, area: number): Size {
  const scale = Math.min(1, Math.sqrt(area / (width * height)), longest / Math.max(width, height))
  return { width: Math.max(1, Math.floor(width * scale)), height: Math.max(1, Math.floor(height * scale)) }
}

const opaque: [string, number][] = [['image/jpeg', 0.9], ['image/jpeg', 0.75], ['image/jpeg', 0.6]]
const clear: [string, number?][] = [['image/png'], ['image/webp', 0.9], ['image/webp', 0.7]]

/** Draws a picture anew, as large as it can be in at most so many bytes; undefined where that cannot be done. */
export async function redraw(source: CanvasImageSource, size: Size, most: number, mayBeClear: boolean, sheet: (s: Size) => Sheet): Promise<Blob | undefined> {
  let last = ''
  for (const area of areas) {
    const to = fit(size, area)
    if (last === `${to.width} ${to.height}`) continue
    last = `${to.width} ${to.height}`
    const { context, blob } = sheet(to)
    context.imageSmoothingQuality = 'high'
    context.drawImage(source, 0, 0, to.width, to.height)
    for (const [type, quality] of mayBeClear && isClear(context, to) ? clear : opaque) {
      const made = await blob(type, quality)
      if (made && made.type === type && made.size <= most) return made
    }
  }
  return undefined
}

/** Whether something shines through. */
function isClear(context: Sheet['context'], { width, height }: Size) {
  const rows = Math.max(1, Math.floor(1_000_000 / width))
  for (let y = 0; y < height; y += rows) {
    const { data } = context.getImageData(0, y, width, Math.min(rows, height - y))
    for (let i = 3; i < data.length; i += 4) if (data[i] !== 255) return true
  }
  return false
}
