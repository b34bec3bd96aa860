import { expect, it } from 'vitest'
import { bring, messages, nth, paste, served } from './served.js'
import { until, useWorld } from './world.js'

useWorld()

const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR4nGP4z8CAB+GTG8HSALfKY52fTcuYAAAAAElFTkSuQmCC', 'base64')
const cells = '<table><tr><td>Order</td><td>Sum</td></tr><tr><td>1234</td><td>8.50</td></tr></table>'
const image = (name: string) => ({ name, type: 'image/png', data: png })

it('pastes the text of a spreadsheet’s cells, not their picture', async () => {
  const { ann, p, page, session } = await served()
  const field = page.getByRole('textbox')
  await field.fill('See: ')
  await paste(page, { 'text/plain': 'Order\tSum\n1234\t8.50', 'text/html': cells, 'image/png': png })
  await until(async () => (await field.inputValue()) === 'See: Order\tSum\n1234\t8.50', 'the text')
  expect(await page.getByRole('group', { name: /^Send/ }).count()).toBe(0)
  // Programs that give HTML and a picture, and no text.
  await field.fill('')
  await bring(page, '.bh-input textarea', 'paste', { 'text/html': cells }, [image('image.png')])
  expect(await field.inputValue()).toBe('Order\tSum\n1234\t8.50')
  // A cell may hold an address, or look like one.
  for (const text of ['https://example.com/a.png', 'data: 5', 'file:', 'a.png or b.png']) {
    expect(await bring(page, '.bh-input textarea', 'paste', { 'text/plain': text }, [image('image.png')]), `${text}: the browser pastes it`).toBe(false)
  }
  await field.press('Enter')
  await nth(ann, session, 0)
  await page.waitForTimeout(300)
  expect(messages(ann, session).map((m) => m.body)).toEqual(['Order\tSum\n1234\t8.50'])
  p.calm()
  await p.close()
})

for (const phone of [false, true]) {
  it(`shows a pasted picture, and asks before it sends: ${phone ? 'phone' : 'desktop'}`, async () => {
    const zh = phone
    const { ann, p, page, session } = await served({ phone, dark: phone, lang: zh ? 'zh-CN' : 'en-GB' })
    const field = page.getByRole('textbox')
    const asked = page.getByRole('group', { name: zh ? /^发送/ : /^Send/ })
    await field.click()
    await paste(page, { 'image/png': png })
    await asked.locator('img').waitFor()
    expect(await asked.locator('img').evaluate((i: HTMLImageElement) => i.naturalWidth)).toBe(10)
    await page.getByRole('button', { name: zh ? '取消' : 'Cancel', exact: true }).click()
    await asked.waitFor({ state: 'detached' })
    // By the keyboard alone: Escape.
    await paste(page, { 'image/png': png, 'text/html': '<img src="https://example.com/x.png" alt="x">' })
    await asked.waitFor()
    await page.keyboard.press('Escape')
    await asked.waitFor({ state: 'detached' })
    expect(messages(ann, session)).toEqual([])

    // Several, one of them not meant; and a letter too many in the field stays there.
    await field.fill('look')
    await bring(page, '.bh-scroll', 'drop', {}, [image('one.png'), image('two.png'), { name: '报价.pdf', type: 'application/pdf', data: Buffer.from('%PDF-1.7 x') }])
    await bring(page, '.bh-input textarea', 'drop', { 'text/plain': 'https://example.com/three.png', 'text/uri-list': 'https://example.com/three.png', 'text/html': '<img src="https://example.com/three.png">' }, [image('three.png')])
    await until(async () => (await asked.locator('li').count()) === 4, 'all four')
    await p.shot(`chat-asked-${phone ? 'phone-dark-zh' : 'desktop-light-en'}`)
    await page.getByRole('button', { name: zh ? '移除 two.png' : 'Remove two.png' }).click()
    await page.getByRole('button', { name: zh ? '发送（3）' : 'Send 3' }).click()
    await nth(ann, session, 2)
    expect(messages(ann, session).map((m) => [m.type, (m.body as { name: string }).name]).toSorted()).toEqual([['file', '报价.pdf'], ['image', 'one.png'], ['image', 'three.png']])
    expect(await field.inputValue()).toBe('look')
    // Enter sends both.
    await paste(page, { 'image/png': png })
    await asked.waitFor()
    await field.press('Enter')
    await nth(ann, session, 4)
    expect(messages(ann, session).slice(3).map((m) => m.type).toSorted()).toEqual(['image', 'text'])
    await asked.waitFor({ state: 'detached' })
    p.calm()
    await p.close()
  })
}

it('takes files that are copied with their names, text that is dropped, and no more than may be sent at once', async () => {
  const { ann, p, page, session } = await served()
  const field = page.getByRole('textbox')
  const asked = page.getByRole('group', { name: /^Send/ })
  // Finder and Nautilus give the names, or addresses, as text.
  await bring(page, '.bh-input textarea', 'paste', { 'text/plain': 'Scan 1.png\nfile:///home/u/b.png' }, [image('Scan 1.png'), image('b.png')])
  await until(async () => (await asked.locator('li').count()) === 2, 'both files')
  await field.press('Escape')
  expect(await bring(page, '.bh-scroll', 'drop', { 'text/plain': 'order 99', 'text/html': '<b>order 99</b>' }, [])).toBe(true)
  await until(async () => (await field.inputValue()) === 'order 99', 'the text')
  await bring(page, '.bh-scroll', 'drop', { 'text/uri-list': 'https://example.com/p/1' }, [])
  await until(async () => (await field.inputValue()) === 'order 99https://example.com/p/1', 'the address')
  // With the focus nowhere, as after a click on the messages.
  await page.locator('.bh-scroll').click()
  await paste(page, { 'image/png': png })
  await asked.waitFor()
  await bring(page, '.bh-scroll', 'drop', {}, Array.from({ length: 25 }, (_, i) => image(`${i}.png`)))
  await page.getByRole('alert').getByText('At most 20 files at once.').waitFor()
  expect(await asked.locator('li').count()).toBe(20)
  expect(messages(ann, session)).toEqual([])
  // Beside the conversation a drop does nothing, and does not leave the page.
  expect(await bring(page, '.chat-head', 'drop', {}, [image('x.png')])).toBe(true)
  await page.getByRole('button', { name: 'End', exact: true }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'End', exact: true }).click()
  await page.getByText('How was it?').waitFor()
  expect(await bring(page, '.bh-scroll', 'drop', {}, [image('x.png')])).toBe(true)
  expect(messages(ann, session)).toEqual([])
  p.calm()
  await p.close()
})

it('takes the files of a folder, and of folders in it', async () => {
  const { p, page } = await served()
  await page.locator('.bh-scroll').evaluate((el) => {
    const file = (name: string) => ({ name, isFile: true, isDirectory: false, file: (done: (f: File) => void) => done(new File(['x'], name)) })
    const folder = (name: string, all: unknown[]) => ({ name, isFile: false, isDirectory: true, createReader: () => { const left = [all, []]; return { readEntries: (done: (some: unknown) => void) => done(left.shift() ?? []) } } })
    const data = new DataTransfer()
    data.items.add(new File([], 'photos'))
    const e = new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true })
    const tree = folder('photos', [file('a.txt'), file('.DS_Store'), folder('more', [file('b.txt')])])
    DataTransferItem.prototype.webkitGetAsEntry = () => tree as unknown as FileSystemEntry
    el.dispatchEvent(e)
  })
  const asked = page.getByRole('group', { name: /^Send/ })
  await until(async () => (await asked.locator('small bdi').allTextContents()).join() === 'a.txt,b.txt', 'both files')
  p.calm()
  await p.close()
})
