import { expect, it } from 'vitest'
import { at, Person } from './browser.js'
import { browser, name, server, useWorld } from './world.js'

useWorld()

it('shows 1,000 waiting orders and stays quick', async () => {
  const queue = name('q')
  for (let i = 0; i < 1000; i += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, k) => server.host('POST', '/sessions', { user: { id: `${queue}-u${i + k}`, name: `User ${i + k}` }, queue, subject: `order ${i + k}` })))
  }
  const ann = await Person.open(browser)
  await ann.page.goto(await at(server, 'desk', 'agent', name('ann'), { name: 'Ann', queues: [queue] }))
  await ann.page.getByText('1000 wait').waitFor()
  const rows = await ann.page.getByRole('row').count()
  expect(rows).toBeLessThan(60)
  await ann.page.getByRole('grid').focus()
  // All that a step takes, and what of it is the page's own, whatever else this machine does.
  const cdp = await ann.page.context().newCDPSession(ann.page)
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' })
  const busy = async () => (await cdp.send('Performance.getMetrics')).metrics.find((m) => m.name === 'TaskDuration')!.value
  const [began, idle] = [Date.now(), await busy()]
  for (let i = 0; i < 100; i++) await ann.page.keyboard.press('ArrowDown')
  await ann.page.locator('[role=row][aria-selected=true]').waitFor()
  const [all, own] = [(Date.now() - began) / 100, ((await busy()) - idle) * 10]
  console.info(`1,000 orders: ${rows} rows, ${all} ms a step, ${own.toFixed(1)} the page's own`)
  expect(all).toBeLessThan(60)
  expect(own).toBeLessThan(40)
  ann.calm()
  await ann.close()
})
