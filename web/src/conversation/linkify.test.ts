import { expect, it } from 'vitest'
import { pieces } from './linkify'

const links = (text: string) => pieces(text).filter((p) => p.href)

// What is written, and what of it is a link.
const cases: [string, string[]][] = [
  // Text of scripts without spaces, right behind and in front.
  ['《一尺闲梦》当当网http://t.cn/RUy3HJN《一尺闲梦》亚马逊http://t.cn/RUyQxlU', ['http://t.cn/RUy3HJN', 'http://t.cn/RUyQxlU']],
  ['https://shop.example/o/123查看订单', ['https://shop.example/o/123']],
  ['https://shop.example查看', ['https://shop.example']],
  ['https://shop.example:8443查看', ['https://shop.example:8443']],
  ['https://shop.example.com好的.谢谢', ['https://shop.example.com']],
  ['https://shop.example/?a=1&b=2查看', ['https://shop.example/?a=1&b=2']],
  ['https://shop.example/#top查看', ['https://shop.example/#top']],
  ['こちらhttps://shop.example/aをどうぞ', ['https://shop.example/a']],
  ['링크는 https://shop.example/a에서', ['https://shop.example/a']],
  ['ดูที่https://shop.example/aนะ', ['https://shop.example/a']],
  ['https://shop.example/a👍', ['https://shop.example/a']],
  ['👉https://shop.example/a👈https://shop.example/b', ['https://shop.example/a', 'https://shop.example/b']],
  ['https://shop.example/a𠮷野家', ['https://shop.example/a']],
  ['https://shop.example/ａ', ['https://shop.example/']],
  // Punctuation of every width.
  ...[...'，。、；：！？…—（《【「『〈〔“‘）》】」』〉〕”’·～｜＂＇'].map((c): [string, string[]] => [`看https://shop.example/a${c}好`, ['https://shop.example/a']]),
  ...[...'，。、；：！？（《【「'].map((c): [string, string[]] => [`https://shop.example${c}好`, ['https://shop.example']]),
  ...[...'.,;:!?'].map((c): [string, string[]] => [`see https://shop.example/a${c} then`, ['https://shop.example/a']]),
  ['https://shop.example/a...', ['https://shop.example/a']],
  ['**https://shop.example/a**', ['https://shop.example/a']],
  ['https://shop.example/a?!', ['https://shop.example/a']],
  ['http://t.cn/RZwjG7U（分享自 @酷6网）', ['http://t.cn/RZwjG7U']],
  // Brackets and quotes.
  ['https://shop.example/s?text=(a)', ['https://shop.example/s?text=(a)']],
  ['https://en.wiki.example/wiki/A_(b)', ['https://en.wiki.example/wiki/A_(b)']],
  ['(https://en.wiki.example/wiki/A_(b))', ['https://en.wiki.example/wiki/A_(b)']],
  ['(see https://en.wiki.example/wiki/A_(b)_(c)).', ['https://en.wiki.example/wiki/A_(b)_(c)']],
  ['[https://shop.example/a]', ['https://shop.example/a']],
  ['https://shop.example/a[0]=1&b[]=2', ['https://shop.example/a[0]=1&b[]=2']],
  ['{"url":"https://shop.example/a"}', ['https://shop.example/a']],
  ['<https://shop.example/a>', ['https://shop.example/a']],
  ["'https://shop.example/a'", ['https://shop.example/a']],
  ["https://shop.example/it's", ["https://shop.example/it's"]],
  ["https://shop.example/o'neil's", ["https://shop.example/o'neil's"]],
  ['https://shop.example/a)b', ['https://shop.example/a']],
  // Hosts.
  ['https://例子.中国/a', ['https://例子.中国/a']],
  ['见https://例子.测试，好', ['https://例子.测试']],
  ['https://例子.example/路', ['https://例子.example/']],
  ['https://3g门户.example/a', ['https://3g门户.example/a']],
  ['https://www.3g门户.example/a', ['https://www.3g门户.example/a']],
  ['https://пример.рф/путь', ['https://пример.рф/путь']],
  ['https://bücher.example/ü', ['https://bücher.example/ü']],
  ['https://😀.example/a', ['https://😀.example/a']],
  ['https://i❤️.example/a', ['https://i❤️.example/a']],
  ['https://xn--fsqu00a.xn--0zwm56d/a', ['https://xn--fsqu00a.xn--0zwm56d/a']],
  ['http://127.0.0.1:8080/a', ['http://127.0.0.1:8080/a']],
  ['http://localhost:3000/a查看', ['http://localhost:3000/a']],
  ['http://[::1]:80/a', ['http://[::1]:80/a']],
  ['HTTPS://SHOP.EXAMPLE/A', ['HTTPS://SHOP.EXAMPLE/A']],
  ['https://user:secret@shop.example/a', []],
  ['https://user@shop.example/a查看', []],
  ['javascript:alert(1) ftp://shop.example/a //shop.example/a data:text/html,a', []],
  ['https:// http://', []],
  // Mail.
  ['写信到ann@shop.example谢谢', ['ann@shop.example']],
  ['邮箱：ann.b+c@shop.example。', ['ann.b+c@shop.example']],
  ['邮箱:ann@shop.example,bea@shop.example', ['ann@shop.example', 'bea@shop.example']],
  ['（ann@shop.example）', ['ann@shop.example']],
  ['mailto:ann@shop.example', ['mailto:ann@shop.example']],
  ['@ann and a@b', []],
]

it.each(cases)('%s', (text, wanted) => {
  const found = links(text)
  expect(found.map((p) => p.text)).toEqual(wanted)
  expect(pieces(text).map((p) => p.text).join('')).toBe(text)
})

it('leads where it says', () => {
  expect(links('https://例子.中国/a')[0]!.href).toBe('https://xn--fsqu00a.xn--fiqs8s/a')
  expect(links('写信到ann@shop.example谢谢')[0]!.href).toBe('mailto:ann@shop.example')
  expect(links('mailto:ann@shop.example')[0]!.href).toBe('mailto:ann@shop.example')
})

it('takes no time over a text that is made to take much', () => {
  const n = 16_000
  for (const s of ['https://a/' + '('.repeat(n), 'https://a/' + '(['.repeat(n / 2), 'https://' + 'a.'.repeat(n / 2), 'https://' + '例.'.repeat(n / 2), 'https://' + 'a-'.repeat(n / 2), 'https://'.repeat(n / 8), 'a@'.repeat(n / 2), ':'.repeat(n) + 'a', '😀'.repeat(n / 2), 'https://a/"'.repeat(n / 11), ':' + 'a'.repeat(n), 'a:'.repeat(n / 2)]) {
    const began = performance.now()
    pieces(s)
    expect(performance.now() - began, s.slice(0, 20)).toBeLessThan(500)
  }
})
