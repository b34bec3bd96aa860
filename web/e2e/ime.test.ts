import type { CDPSession, Locator, Page } from 'playwright-core'
import { expect, it } from 'vitest'
import { at, Person } from './browser.js'
import { messages, served } from './served.js'
import { browser, client, name, server, until, useWorld } from './world.js'

useWorld()

/** An input method, as the browsers tell of it. */
class Method {
  private constructor(private cdp: CDPSession) {}

  static async on(page: Page) {
    return new Method(await page.context().newCDPSession(page))
  }

  compose(text: string) {
    return this.cdp.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length })
  }

  /** A key that the method takes for itself. */
  async key(key: string, up = true) {
    await this.cdp.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key, code: key, windowsVirtualKeyCode: 229 })
    if (up) await this.up(key)
  }

  up(key: string) {
    return this.cdp.send('Input.dispatchKeyEvent', { type: 'keyUp', key, code: key, windowsVirtualKeyCode: 13 })
  }

  commit(text: string) {
    return this.cdp.send('Input.insertText', { text })
  }
}

/** What a page asks of the server, but for what it does while one only writes. */
async function asked(page: Page) {
  const out: string[] = []
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('Network.enable')
  cdp.on('Network.webSocketFrameSent', (e) => {
    for (const line of e.response.payloadData.split('\n')) {
      const { cmd } = JSON.parse(line) as { cmd: string }
      if (!['typing', 'ping', 'read'].includes(cmd)) out.push(cmd)
    }
  })
  page.on('request', (r) => out.push(r.url()))
  return out
}

/** Composes in a field, in the orders of Chromium and of Safari: nothing may come of any key but the text. */
async function composes(page: Page, field: Locator, dialog = 'body') {
  const method = await Method.on(page)
  await field.click()
  const out = await asked(page)
  const before = await field.inputValue()
  const open = await page.locator(dialog).count()
  const holds = async (value: string, what: string) => {
    await page.waitForTimeout(80)
    expect(await field.inputValue({ timeout: 2000 }), what).toBe(before + value)
    expect(await field.evaluate((el) => el === document.activeElement), `${what}: the focus`).toBe(true)
    expect(await page.locator(dialog).count(), `${what}: what is open`).toBe(open)
    expect(out, what).toEqual([])
  }
  await method.compose('nihao')
  for (const key of ['ArrowDown', 'ArrowUp', 'Tab', 'Escape', 'Enter']) {
    await method.key(key)
    await holds('nihao', `${key} while composing`)
  }
  // Chromium: the key, then the end.
  await method.key('Enter', false)
  await method.commit('你好')
  await method.up('Enter')
  await holds('你好', 'the key that ends it')
  // Safari: the end, then the key, which says nothing but 229.
  await method.compose('zaijian')
  await method.commit('再见')
  await method.key('Enter')
  await holds('你好再见', 'the key behind the end')
  for (const key of ['Escape', 'ArrowDown']) {
    await method.compose('a')
    await method.commit('')
    await method.key(key)
    await holds('你好再见', `${key} behind the end`)
  }
}

it('leaves the keys of an input method alone in every field of the chat', async () => {
  const { ann, p, page, session } = await served()
  const field = page.getByRole('textbox')
  await composes(page, field)
  expect(messages(ann, session)).toEqual([])
  // A key of no input method, a moment later, is meant.
  await field.press('Enter')
  await until(() => messages(ann, session).length === 1, 'the message')
  expect(messages(ann, session)[0]!.body).toBe('你好再见')

  await ann.end(session, { force: true })
  await page.getByRole('button', { name: '4 stars' }).click()
  await composes(page, page.getByRole('textbox', { name: 'Anything to add?' }))
  await page.getByRole('button', { name: 'New question' }).click()
  await composes(page, page.getByRole('textbox', { name: 'What is it about?' }))
  expect(await page.getByRole('button', { name: 'Start' }).isVisible()).toBe(true)
  p.calm()
  await p.close()
})

it('takes a key that comes within the end of a composition for its last one, once', async () => {
  const { ann, p, page, session } = await served()
  const field = page.getByRole('textbox')
  await field.fill('半')
  await field.evaluate((el) => {
    const press = (keyCode: number) => el.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', code: 'Enter', keyCode, bubbles: true, cancelable: true }))
    el.dispatchEvent(new CompositionEvent('compositionend', { data: '半', bubbles: true }))
    press(13)
    press(229)
  })
  await page.waitForTimeout(200)
  expect(messages(ann, session)).toEqual([])
  await field.press('Enter')
  await until(() => messages(ann, session).length === 1, 'the message')
  await p.close()
})

it('leaves the keys of an input method alone in every field of an agent’s desk', async () => {
  const queue = name('q')
  const uma = await client('Uma')
  const { id } = await uma.open({ queue, subject: 'order 7' })
  const p = await Person.open(browser)
  const { page } = p
  const signIn = await Person.open(browser)
  await signIn.page.goto(`${server.url}/desk`)
  await composes(signIn.page, signIn.page.locator('input[type=password]'))
  await signIn.close()

  await page.goto(await at(server, 'desk', 'agent', name('ann'), { queues: [queue], name: 'Ann' }))
  await page.getByRole('button', { name: 'Grab' }).first().click()
  const field = page.locator('.bh-input textarea')
  await composes(page, field)
  expect(messages(uma, id)).toEqual([])
  await field.fill('/')
  await page.getByRole('listbox').waitFor()
  await composes(page, field)
  await field.fill('')

  await page.getByRole('button', { name: 'Write a note that users never see' }).click()
  await composes(page, field)
  await field.fill('')
  await page.getByRole('button', { name: 'Add a label' }).click()
  await composes(page, page.getByRole('textbox', { name: 'Add a label' }))
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Transfer' }).click()
  await composes(page, page.getByRole('dialog').locator('textarea'), '.ant-modal-wrap:visible')
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
  p.calm()
  await p.close()
})

it('leaves the keys of an input method alone in every field of a supervisor’s desk', async () => {
  const queue = name('q')
  const uma = await client('Uma')
  const { id } = await uma.open({ queue })
  const p = await Person.open(browser)
  const { page } = p
  await page.goto(await at(server, 'desk', 'supervisor', name('boss'), { queues: [queue], name: 'Boss' }))
  await page.getByRole('button', { name: 'Grab' }).first().click()
  await until(() => uma.state.sessions[id]?.state === 'serving', 'the grab')
  for (const view of ['Sessions', 'Search', 'Settings']) {
    await page.getByRole('navigation').getByRole('button', { name: view }).click() // the browser may still think that it is composing
    const fields = page.locator('.desk-wide').locator('input:not([type=radio], [type=checkbox], [role=combobox]), textarea').filter({ visible: true })
    await fields.first().waitFor()
    const n = await fields.count()
    for (let i = 0; i < n; i++) await composes(page, fields.nth(i))
  }
  await page.getByRole('textbox', { name: 'Id of a queue' }).fill(queue)
  await page.getByRole('button', { name: 'Set up' }).click()
  for (const label of ['Name', 'Greeting']) await composes(page, page.getByRole('dialog').getByRole('textbox', { name: label, exact: true }), '.ant-modal-wrap:visible')
  p.calm()
  await p.close()
})
