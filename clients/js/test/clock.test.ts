import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Clock } from '../src/clock.js'
import { Client } from '../src/index.js'
import { Fake } from './fake.js'

// The true time, the device's clock, and the counter that no setting moves, each in ms.
const began = 1_800_000_000_000
let truth: number
let device: number
let steady: number

/** Time passes. */
function pass(ms: number) {
  truth += ms
  device += ms
  steady += ms
}

beforeEach(() => {
  ;[truth, device, steady] = [began, began, 5000]
  vi.spyOn(Date, 'now').mockImplementation(() => device)
  vi.stubGlobal('performance', { now: () => steady })
})
const clients: Client[] = []
afterEach(() => {
  for (const c of clients.splice(0)) c.close()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

const iso = (ms: number) => new Date(ms).toISOString()

/** Asks, and has the server look at its clock on the way there or back. */
function ask(c: Clock, there: number, back: number) {
  const told = c.begin()
  pass(there)
  const at = iso(truth)
  pass(back)
  told(at)
}

function clock() {
  const told = { asked: 0, changed: 0 }
  return { told, c: new Clock(() => void told.asked++, () => void told.changed++) }
}

it.each([180_000, -180_000, 10 * 3_600_000, 400 * 86_400_000, -300, 0])('tells the server’s time where the device is off by %d ms', (off) => {
  const { c, told } = clock()
  device += off
  expect(c.now()).toBe(device)
  ask(c, 40, 40)
  expect(c.now()).toBe(truth)
  expect(told.changed).toBe(Math.abs(off) > 500 ? 1 : 0)
  pass(3_600_000)
  expect(c.now()).toBe(truth)
  expect(told.asked).toBe(0)
})

it('keeps the answer of the quickest round trip, and is never wrong by more than half of it', () => {
  const { c } = clock()
  ask(c, 1500, 10)
  expect(Math.abs(c.now() - truth)).toBeLessThanOrEqual(755)
  ask(c, 12, 20)
  const near = c.now() - truth
  expect(Math.abs(near)).toBeLessThanOrEqual(16)
  for (const [there, back] of [[4000, 10], [10, 4000], [900, 30], [16, 17]] as const) {
    ask(c, there, back)
    expect(c.now() - truth).toBe(near)
  }
})

it('is not moved by a device clock that jumps', () => {
  const { c } = clock()
  ask(c, 10, 10)
  for (const jump of [3_600_000, -7_200_000, 86_400_000]) {
    device += jump
    expect(c.now()).toBe(truth)
    pass(60_000)
    ask(c, 10, 10)
    expect(c.now()).toBe(truth)
  }
})

it('asks again after a sleep, once, and takes the answer', () => {
  const { c, told } = clock()
  ask(c, 10, 10)
  pass(20_000)
  truth += 30_000
  device += 30_000
  c.now()
  expect(told.asked).toBe(1)
  ask(c, 30, 30)
  expect(c.now()).toBe(truth)
  expect(told.changed).toBe(1)
  pass(20_000)
  c.now()
  expect(told.asked).toBe(1)
})

it('takes the server’s clock when that is set', () => {
  const { c } = clock()
  ask(c, 10, 10)
  truth += 5_000
  ask(c, 300, 300)
  expect(c.now()).toBe(truth)
})

it('notices by what is said that a device clock jumped that it has to go by', () => {
  vi.stubGlobal('performance', undefined)
  const { c, told } = clock()
  ask(c, 10, 10)
  pass(60_000)
  c.seen(iso(truth - 100))
  expect(told.asked).toBe(0)
  device -= 3_600_000
  pass(10_000)
  c.seen(iso(truth - 100))
  ask(c, 10, 10)
  expect(c.now()).toBe(truth)
})

it('asks no more than once in five seconds, and takes no nonsense', () => {
  const { c, told } = clock()
  ask(c, 10, 10)
  for (const at of [undefined, null, '', 'soon', {}, 7]) c.begin()(at === 7 ? 'x' : at)
  expect(c.now()).toBe(truth)
  pass(6_000)
  for (let i = 0; i < 50; i++) {
    c.seen(iso(truth + 60_000))
    if (told.asked) c.begin() // as the client does
  }
  expect(told.asked).toBe(1)
})

it('is the client’s: right after hello and wherever the device’s clock goes', async () => {
  const fake = new Fake()
  fake.clock = () => truth
  device += 180_000
  const c = new Client({ url: 'http://h', token: 't', WebSocket: fake.WebSocket }).start()
  clients.push(c)
  expect(c.now()).toBe(device)
  let told = 0
  c.subscribe(() => told++)
  await vi.waitFor(() => expect(c.now()).toBe(truth))
  await vi.waitFor(() => expect(c.state.resumed).toBe(true))
  device -= 3_600_000
  expect(c.now()).toBe(truth)
  truth += 20_000
  pass(6_000)
  fake.post('said after the server’s clock was set')
  const before = told
  await vi.waitFor(() => expect(c.now()).toBe(truth))
  await vi.waitFor(() => expect(told).toBeGreaterThan(before))
  expect(fake.pings).toBe(2)
})
