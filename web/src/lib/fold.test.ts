import { expect, test } from 'vitest'
import { fold } from './fold'

test.each([
  ['123', '１２３', '①②③', '1\u200b23'],
  ['strasse', 'Straße', 'STRASSE', 'ｓｔｒａßｅ'],
  ['café', 'cafe\u0301', 'CAFÉ'],
  ['office', 'oﬃce', 'OFFICE'],
  ['ガギ', 'ｶﾞｷﾞ'],
  ['istanbul', 'İstanbul', 'ISTANBUL', 'ıstanbul'],
  ['σασ', 'ΣΑΣ', 'σας'],
  ['/退款', '／退款'],
])('%s in all its forms', (...forms) => {
  for (const f of forms) expect(fold(f)).toBe(fold(forms[0]))
})

test('what people tell apart stays apart', () => {
  for (const [a, b] of [['cafe', 'café'], ['は', 'ば'], ['o', 'ø']] as const) expect(fold(a)).not.toBe(fold(b))
})
