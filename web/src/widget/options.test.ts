import { afterEach, describe, expect, it, vi } from 'vitest'
import { attributes, fetchToken, frameAddress, serverAddress } from './options'

afterEach(() => vi.unstubAllGlobals())

describe('options of the script', () => {
  it('are none without a token', () => {
    expect(attributes({ queue: 'sales' })).toBeUndefined()
  })

  it('are read from its attributes', () => {
    const o = attributes({ token: 't', queue: 'sales', position: 'left', meta: '{"cart":3}', eager: '' })
    expect(o).toMatchObject({ token: 't', queue: 'sales', position: 'left', meta: { cart: 3 }, eager: true })
    expect(attributes({ token: 't', position: 'up' })).toMatchObject({ position: 'right', eager: false })
  })

  it('ask the site for a token, in JSON or alone, and tell when it has none', async () => {
    const answer = (body: string, status = 200) => vi.stubGlobal('fetch', () => Promise.resolve(new Response(body, { status })))
    answer('{"token":"abc","expires":"…"}')
    expect(await fetchToken('/token')).toBe('abc')
    answer('abc\n')
    expect(await fetchToken('/token')).toBe('abc')
    answer('{"token":"abc"}', 403)
    await expect(fetchToken('/token')).rejects.toThrow('HTTP 403')
  })
})

describe('the address of the frame', () => {
  it('is below the path that the server is served at', () => {
    for (const [said, is] of [['https://a.example', 'https://a.example'], ['https://a.example/', 'https://a.example'], ['https://a.example/x/y/', 'https://a.example/x/y'], ['https://a.example/x/widget.js?v=1', 'https://a.example/x']])
      expect(serverAddress(said!)).toBe(is)
  })

  it('names the site and what is known, whatever its characters, and no token', () => {
    const address = frameAddress('https://chat.example', 'https://shop.example', { token: 'secret', queue: 'a&b=c', subject: '订单 #1', meta: { x: '&"' } })
    const url = new URL(address)
    expect(url.origin + url.pathname).toBe('https://chat.example/chat')
    const hash = new URLSearchParams(url.hash.slice(1))
    expect(Object.fromEntries(hash)).toEqual({ embed: 'https://shop.example', queue: 'a&b=c', subject: '订单 #1', meta: '{"x":"&\\""}' })
    expect(address).not.toContain('secret')
  })
})
