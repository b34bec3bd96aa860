import { LinkifyIt } from 'linkify-it'
import { webAddress } from '../lib/safe'

/** A piece of a text: what is said, and where it leads if it is a link. */
export interface Piece {
  text: string
  href?: string
}

// Names and passwords are found so that such an address can be refused as a whole.
const linkify = new LinkifyIt({ urlAuth: true }).add('ftp:', null).add('//', null)

// Scripts whose words have no spaces between them, their punctuation in all widths, and emoji: text goes on with these right behind
// an address, and in front of it. In an address they are percent-encoded.
const running = String.raw`\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u3000-\u303F\u30FB\u30FC\uFE10-\uFE1F\uFE30-\uFE4F\uFF00-\uFFEF`
const emoji = String.raw`\p{Extended_Pictographic}\p{Regional_Indicator}\p{Emoji_Modifier}\u200D\uFE0F\u20E3`

// A host may be written in such a script, too (例子.中国, 😀.example), but no label goes from another into it: `x.example查看` ends
// with the host. Only the first label, where an address cannot end, may: `3g门户.example`.
const letter = String.raw`[\p{L}\p{N}\p{M}${emoji}]`
const plain = String.raw`(?:(?![${running}${emoji}])[\p{L}\p{N}\p{M}])`
const label = String.raw`(?:[${running}${emoji}](?:-*${letter})*|${plain}(?:-*${plain})*)`
const first = String.raw`${letter}(?:-*${letter})*`
const last = String.raw`(?:(?:(?![\u3000-\u303F\uFF00-\uFFEF])[${running}])+|${plain}(?:-*${plain})*)`
const host = String.raw`https?:\/\/(?:[^\s/@?#]*@)?(?:www\.)?${first}\.(?:${label}\.)*${last}`
// A mail address may follow a colon or a comma at once.
const beforeMail = String.raw`[:;,|/\[\]](?=[-+.\w]+@)`

const apart = new RegExp(String.raw`(${host}|mailto:)|(${beforeMail})|[${running}${emoji}]`, 'giu')

/** The text, as long as it was, with a mark in place of all that addresses end at. */
const marked = (text: string) => text.replace(apart, (all: string, address?: string) => address ?? '｜'.repeat(all.length))

/** A text in pieces, with its web and mail addresses as links. */
export function pieces(text: string): Piece[] {
  const out: Piece[] = []
  let from = 0
  for (const m of linkify.match(marked(text)) ?? []) {
    // It leaves some of what ends a sentence, or marks bold.
    const raw = text.slice(m.index, m.lastIndex).replace(/[.,:;!?*]+$/, '')
    const href = m.schema === 'mailto:' ? m.url : webAddress(raw)?.href
    if (!href) continue
    if (m.index > from) out.push({ text: text.slice(from, m.index) })
    out.push({ text: raw, href })
    from = m.index + raw.length
  }
  if (from < text.length) out.push({ text: text.slice(from) })
  return out
}
