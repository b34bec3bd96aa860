import { expect, it } from 'vitest'
import { en } from './locales/en'
import { zh } from './locales/zh'

it('has every text in both languages, with the same values', () => {
  const values = (s: string) => [...s.matchAll(/\{(\w+)/g)].map((m) => m[1]).sort()
  expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort())
  for (const k of Object.keys(en) as (keyof typeof en)[]) {
    expect(zh[k], k).not.toBe('')
    expect(values(zh[k]), k).toEqual(values(en[k]))
  }
})
