import { afterEach, describe, expect, it, vi } from 'vitest'
import { attributes, fetchToken, frameAddress, sameVisitor, serverAddress, visitor } from './options'

afterEach(() => vi.unstubAllGlobals())

describe('options of the script', () => {
  it('are none without a token', () => {
    expect(attributes({ queue: 'sales' })).toBeUndefined()
  })

  it('are read from its attributes', () => {
    const o = attributes({ token: 't', user: '7', queue: 'sales', position: 'left', meta: '{"cart":3}', eager: '' })
    expect(o).toMatchObject({ token: 't', user: '7', queue: 'sales', position: 'left', meta: { cart: 3 }, eager: true })
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

describe('the visitor', () => {
  const jwt = (claims: object) => `x.${btoa(JSON.stringify(claims)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '')}.x`

  it('is whom the site or a JWT names', () => {
    expect(visitor({ token: 'opaque' })).toBe('')
    expect(visitor({ token: () => 'x', user: '7' })).toBe('7')
    expect(visitor({ token: jwt({ sub: 'uma?>~' }) })).toBe('uma?>~')
    for (const token of ['a.b.c', jwt({ sub: 7 }), `x.${btoa('null')}.x`]) expect(visitor({ token })).toBe('')
  })

  it('is another one where the site says so, or the token does', () => {
    const [a, b] = [jwt({ sub: 'a', iat: 1 }), jwt({ sub: 'a', iat: 2 })]
    expect(sameVisitor({ token: a }, { token: b })).toBe(true)
    expect(sameVisitor({ token: a }, { token: jwt({ sub: 'b' }) })).toBe(false)
    expect(sameVisitor({ token: 'x' }, { token: 'x' })).toBe(true)
    expect(sameVisitor({ token: 'x' }, { token: 'y' })).toBe(false)
    expect(sameVisitor({ token: 'x', user: '1' }, { token: 'y', user: '1' })).toBe(true)
    expect(sameVisitor({ token: () => 'x' }, { token: () => 'y' })).toBe(true)
    expect(sameVisitor({ token: () => 'x', user: '1' }, { token: () => 'x', user: '2' })).toBe(false)
  })
})
