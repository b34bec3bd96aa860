import { expect, it } from 'vitest'
import { at, Person } from './browser.js'
import { bring, messages, nth, served } from './served.js'
import { agent, browser, client, name, server, until, useWorld } from './world.js'

useWorld()

it('opens no dialog at the second click on Send, and sends once', async () => {
  const { ann, p, page, session } = await served()
  let dialogs = 0
  page.on('filechooser', () => dialogs++)
  for (const clicks of [2, 3]) {
    await page.getByRole('textbox').fill(`clicked ${clicks} times`)
    await page.getByRole('button', { name: 'Send', exact: true }).click({ clickCount: clicks, delay: 40 })
    await page.waitForTimeout(300)
    // Slow hands.
    await page.mouse.down()
    await page.mouse.up()
  }
  await nth(ann, session, 1)
  await page.waitForTimeout(200)
  expect(messages(ann, session).map((m) => m.body)).toEqual(['clicked 2 times', 'clicked 3 times'])
  expect(dialogs).toBe(0)
  const chooser = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: 'Attach a file' }).click() // it comes back
  await chooser
  p.calm()
  await p.close()
})

it('breaks lines, and sends by Enter and by the button', async () => {
  const { ann, p, page, session } = await served({ phone: true })
  const field = page.getByRole('textbox')
  await field.focus()
  await page.keyboard.type('one')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('two')
  const one = (await field.boundingBox())!.height
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('three')
  await until(async () => (await field.boundingBox())!.height > one, 'it grows with its lines')
  await page.keyboard.press('Enter')
  expect((await nth(ann, session, 0)).body).toBe('one\ntwo\nthree')
  // A soft keyboard that tells no key, as those of Android: the button sends, and the field keeps the focus.
  await page.keyboard.insertText('第一行\n第二行')
  await page.getByRole('button', { name: 'Send', exact: true }).tap()
  expect((await nth(ann, session, 1)).body).toBe('第一行\n第二行')
  expect(await field.evaluate((el) => el === document.activeElement)).toBe(true)
  expect(await field.getAttribute('enterkeyhint')).toBe('send')
  await field.fill('   \n ')
  await field.press('Enter')
  await page.waitForTimeout(200)
  expect(messages(ann, session)).toHaveLength(2)
  p.calm()
  await p.close()
})

it('forgets who types at the end, when they leave, and without a connection', async () => {
  const { ann, p, page, session, queue } = await served()
  const typing = page.locator('.bh-typing')
  const types = async (c: typeof ann) => {
    await until(async () => {
      c.typing(session)
      await page.waitForTimeout(50)
      return typing.isVisible()
    }, 'typing')
  }
  const within = async (ms: number) => typing.waitFor({ state: 'detached', timeout: ms })
  const bob = await agent(queue, 'Bob')
  await bob.join(session)
  await types(bob)
  await bob.leave(session)
  await within(1500)
  await types(ann)
  await ann.end(session, { force: true })
  await within(1500)
  await page.getByRole('button', { name: 'Go on with this' }).click()
  await page.getByText('Opened again').waitFor()
  expect(await typing.count()).toBe(0)
  await ann.grab(session).catch(() => ann.accept(session))
  await types(ann)
  await server.kill()
  await page.getByText(/No connection|Connecting/).waitFor()
  await within(500)
  await server.run()
  await p.close()
})

it('keeps what was not sent over a reload, for each session, and as what it was meant', async () => {
  const queue = name('q')
  const [uma, ben] = [await client('Uma'), await client('Ben')]
  const one = await uma.open({ queue })
  const two = await ben.open({ queue })
  const ann = name('ann')
  const p = await Person.open(browser)
  const { page } = p
  await page.goto(await at(server, 'desk', 'agent', ann, { queues: [queue], name: 'Ann' }))
  const field = page.locator('.bh-input textarea')
  const note = page.getByRole('button', { name: 'Write a note that users never see' })
  const open = async (who: string) => {
    const row = page.locator('.desk-list').getByText(who, { exact: true })
    await until(async () => (await page.keyboard.press('Alt+2'), row.isVisible()), 'the list, which takes no keys right after a reload')
    await row.click()
    await page.getByRole('region', { name: `Chat with ${who}` }).waitFor()
  }
  for (const who of ['Uma', 'Ben']) {
    await page.keyboard.press('Alt+1')
    await page.getByRole('row').filter({ hasText: who }).getByRole('button', { name: 'Grab' }).click()
    await page.getByRole('region', { name: `Chat with ${who}` }).waitFor()
  }
  await note.click()
  await field.fill('Ben is angry,\nbe kind')
  await open('Uma')
  await field.fill('Good morning 你好')
  await page.reload()
  await open('Uma')
  await until(async () => (await field.inputValue()) === 'Good morning 你好', 'the draft')
  expect(await note.getAttribute('aria-pressed')).toBe('false')
  await open('Ben')
  expect(await field.inputValue()).toBe('Ben is angry,\nbe kind')
  expect(await note.getAttribute('aria-pressed')).toBe('true')
  await field.press('Enter')
  await open('Uma')
  await field.press('Enter')
  await nth(uma, one.id, 0)
  expect(messages(ben, two.id)).toEqual([])
  await page.reload()
  await open('Ben')
  expect(await field.inputValue()).toBe('')
  expect(await page.evaluate(() => Object.keys(localStorage).filter((k) => k.startsWith('bellhop:draft:')))).toEqual([])

  // Another agent at the same computer sees nothing of it.
  await field.fill('mine alone')
  await page.evaluate(() => sessionStorage.clear())
  await page.goto('about:blank')
  await page.goto(await at(server, 'desk', 'supervisor', name('boss'), { queues: [queue], name: 'Boss' }))
  await page.keyboard.press('Alt+1')
  await until(() => page.evaluate(() => Object.keys(localStorage).some((k) => k.startsWith('bellhop:draft:'))), 'the draft')
  p.calm()
  await p.close()
})

it('bounds what it keeps, and does without a store', async () => {
  const { p, page } = await served()
  const field = page.getByRole('textbox')
  await page.evaluate(() => {
    for (let i = 0; i < 80; i++) localStorage.setItem(`bellhop:draft:user:x:s${i}`, JSON.stringify({ text: 'old', note: false, at: Date.now() - 1000 - i }))
    localStorage.setItem('bellhop:draft:user:x:bad', '{')
  })
  await field.fill('a new one')
  const kept = await page.evaluate(() => Object.keys(localStorage).filter((k) => k.startsWith('bellhop:draft:')))
  expect(kept).toHaveLength(50)
  expect(kept).not.toContain('bellhop:draft:user:x:bad')
  expect(kept).not.toContain('bellhop:draft:user:x:s79')
  await page.evaluate(() => {
    Storage.prototype.setItem = () => {
      throw new DOMException('full', 'QuotaExceededError')
    }
  })
  await field.fill('still written')
  await field.press('Enter')
  await page.locator('.bh-row.own').getByText('still written').waitFor()
  expect(await field.inputValue()).toBe('')
  p.calm()
  await p.close()
})

it('gives files the names they have', async () => {
  const { ann, p, page, session } = await served()
  const names = ['"报价" 100%.txt', 'a%22b%0Ac.txt', '👨\u200d👩\u200d👧 🏳️\u200d🌈.txt', 'back\\slash(1).txt', "it's; a=b & <c>.txt", 'plain.txt', 'e\u0301 ø ß.txt']
  for (const [i, n] of names.entries()) {
    await page.locator('input[type=file]').setInputFiles({ name: n, mimeType: 'text/plain', buffer: Buffer.from(n) })
    const { body } = await nth(ann, session, i)
    expect(body.name).toBe(n)
    const download = page.waitForEvent('download')
    await page.locator('.bh-row.own .bh-file').last().click()
    // What Chromium thinks no disk should have, it replaces.
    expect((await download).suggestedFilename().normalize()).toBe(n.replace(/["\\<>\u200d]/g, '_').normalize())
  }
  await bring(page, '.bh-scroll', 'drop', {}, [{ name: 'two\nlines.txt', type: 'text/plain', data: Buffer.from('x') }])
  await page.getByRole('button', { name: 'Send 1' }).click()
  expect((await nth(ann, session, names.length)).body.name).toBe('two lines.txt')
  // A page of somebody's own, which knows of no field but the file.
  const token = await server.token('user', name('uma'))
  const plain = await page.evaluate(async (token) => {
    const form = new FormData()
    form.append('file', new File(['x'], 'a "b"\n 100%.txt'))
    const r = await fetch('/api/v1/files', { method: 'POST', headers: { Authorization: `Bearer ${token}` }, body: form })
    return ((await r.json()) as { name: string }).name
  }, token)
  expect(plain).toBe('a "b"  100%.txt')
  p.calm()
  await p.close()
})
