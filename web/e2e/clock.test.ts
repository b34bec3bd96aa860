import { expect, it } from 'vitest'
import { at, Person } from './browser.js'
import { agent, browser, client, name, server, until, useWorld, waiting } from './world.js'

useWorld()

const minute = 60_000

/** Has a page's device tell a time that is so many ms off. */
const off = (p: Person, ms: number) =>
  p.context.addInitScript((ms) => {
    const Real = Date
    class Off extends Real {
      constructor(...a: [] | [number]) {
        if (a.length) super(...a)
        else super(Real.now() + ms)
      }
      static override now = () => Real.now() + ms
    }
    ;(globalThis as { Date: DateConstructor }).Date = Off as unknown as DateConstructor
  }, ms)

for (const ms of [3 * minute, -3 * minute, 26 * 60 * minute, -26 * 60 * minute]) {
  it(`tells the time by the server's clock, on a device ${ms / minute} minutes off`, async () => {
    const queue = name('q')
    await server.host('PUT', `/queues/${queue}`, { offerTimeout: 60 })
    const ann = await agent(queue, 'Ann')
    const id = name('uma')
    const p = await Person.open(browser)
    await off(p, ms)
    await p.page.goto(await at(server, 'chat', 'user', id, { name: 'Uma', hash: `queue=${queue}` }))
    await p.page.getByRole('button', { name: 'Start' }).click()
    const session = await waiting(ann, queue)
    await ann.grab(session)
    await p.page.getByText('Ann is here for you').waitFor()
    await p.page.getByRole('textbox').fill('oops')
    await p.page.getByRole('textbox').press('Enter')
    const row = p.page.locator('.bh-row.own', { hasText: 'oops' })
    await row.locator('.bh-seen').waitFor()
    await row.hover()
    await row.getByRole('button', { name: 'What to do with this message' }).click()
    await p.page.getByRole('menuitem', { name: 'Recall' }).click()
    await p.page.getByText('You recalled a message').waitFor()
    // Today's hour, without a day or a date before it.
    expect(await p.page.locator('.bh-time').first().innerText()).toMatch(/^\d\d:\d\d$/)
    p.calm()
    await p.close()

    const d = await Person.open(browser)
    await off(d, ms)
    const bea = name('bea')
    await d.page.goto(await at(server, 'desk', 'agent', bea, { name: 'Bea', queues: [queue] }))
    await d.page.getByText('Nobody waits.').waitFor()
    const udo = await client('Udo')
    await udo.open({ queue })
    const age = d.page.getByRole('row', { name: /Udo/ }).locator('small span').last()
    await age.waitFor()
    expect(await age.innerText()).toMatch(/^0:(0|1)\d$/)
    await until(async () => (await age.innerText()) !== '0:00', 'that it goes on')

    await ann.transfer(session, { agent: bea })
    const left = Number(await d.page.locator('.desk-countdown').innerText())
    expect(left).toBeGreaterThan(40)
    expect(left).toBeLessThanOrEqual(60)
    d.calm()
    await d.close()
  })
}
