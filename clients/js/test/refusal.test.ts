import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { Client } from '../src/index.js'

// A server that refuses all handshakes and requests with the status that is set, as one does that cannot tell yet whether a token is good.
let status = 503
let asked = 0
let server: Server
let client: Client

const problem = () => JSON.stringify({ code: status === 503 ? 'unavailable' : 'unauthorized', detail: 'x', status, retry: status === 503 })

const start = async (token: string | (() => string)) => {
  server = createServer((_, res) => void res.writeHead(status, { 'Content-Type': 'application/problem+json', 'Retry-After': '1' }).end(problem()))
  server.on('upgrade', (_, socket) => {
    asked++
    socket.end(`HTTP/1.1 ${status} X\r\nContent-Type: application/problem+json\r\nContent-Length: ${problem().length}\r\nConnection: close\r\n\r\n${problem()}`)
  })
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done))
  asked = 0
  client = new Client({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token }).start()
}

const until = async (what: () => boolean) => {
  for (const end = Date.now() + 20_000; !what(); await new Promise((done) => setTimeout(done, 10))) if (Date.now() > end) throw new Error('it never came')
}

afterEach(() => {
  client.close()
  server.close()
})

it('comes back after 503, and gives up at 401', async () => {
  status = 503
  await start('a.b.c')
  await until(() => asked >= 4)
  expect(client.state.status).not.toBe('closed')
  status = 401
  await until(() => client.state.status === 'closed')
  expect(client.state.reason).toBe('unauthorized')
  const last = asked
  await new Promise((done) => setTimeout(done, 1000))
  expect(asked).toBe(last)
})

it('asks for no other token because of 503, and for one because of 401', async () => {
  let tokens = 0
  status = 503
  await start(() => `a.b.${tokens++}`)
  await until(() => asked >= 3)
  expect(tokens).toBe(1)
  status = 401
  await until(() => client.state.status === 'closed')
  expect(tokens).toBe(2)
})
