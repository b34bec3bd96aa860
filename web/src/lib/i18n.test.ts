import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { en as deskEn } from '../desk/locales/en'
import { zh as deskZh } from '../desk/locales/zh'
import { en as supEn } from '../desk/supervisor/locales/en'
import { zh as supZh } from '../desk/supervisor/locales/zh'
import { dictionaries, translator } from './i18n'

const en = { ...dictionaries.en, ...deskEn, ...supEn }
const zh = { ...dictionaries.zh, ...deskZh, ...supZh }
const places = (s: string) => [...s.matchAll(/\{(\w+)/g)].map((m) => m[1]).sort()

describe('translations', () => {
  it('have the same keys in both languages, none empty, with the same values', () => {
    expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort())
    for (const k of Object.keys(en) as (keyof typeof en)[]) {
      expect(zh[k], k).not.toBe('')
      expect(new Set(places(zh[k])), k).toEqual(new Set(places(en[k])))
    }
  })

  it('are all there are: no text of a page is written outside them', () => {
    const src = join(import.meta.dirname, '..')
    for (const f of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
      if (!/\.tsx?$/.test(f) || f.includes('locales') || f.includes('.test.')) continue
      expect(readFileSync(join(src, f), 'utf8').match(/>[^<>{}=]*[一-鿿][^<>{}=]*</), f).toBeNull()
    }
  })

  it('fill in values and forms', () => {
    expect(translator('en')('new-messages', { n: 1 })).toBe('1 new message')
    expect(translator('en')('new-messages', { n: 3 })).toBe('3 new messages')
    expect(translator('zh')('new-messages', { n: 3 })).toBe('3条新消息')
  })
})
