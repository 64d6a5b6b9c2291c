import { describe, expect, it } from 'vitest'
import { authElement } from '../../worker/shop/call.ts'
import { hidingSecrets } from '../../worker/shop/secrets.ts'

const hiding = (password: string) => hidingSecrets(authElement('sc', password), password)
const units = (text: string, each: (code: number) => string) =>
  Array.from(text, (character) => each(character.codePointAt(0)!)).join('')
const utf16 = (text: string, each: (code: number) => string) =>
  text
    .split('')
    .map((unit) => each(unit.charCodeAt(0)))
    .join('')
const hex = (code: number, digits = 0) => code.toString(16).padStart(digits, '0')
const html = (text: string) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
const json = (text: string) => JSON.stringify(text).slice(1, -1)
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** What pages do to a text; each was seen in an error page, or combines two of those. */
const FORMS: Record<string, (text: string) => string> = {
  'as it is': (text) => text,
  'in JSON': json,
  'in JSON with slashes escaped': (text) => json(text).replaceAll('/', '\\/'),
  'in JSON in JSON': (text) => json(json(text)),
  'in JSON in JSON in JSON': (text) => json(json(json(text))),
  'as \\u00xx': (text) => utf16(text, (code) => `\\u${hex(code, 4)}`),
  'as \\u00XX where PHP does it': (text) =>
    text.replace(/[&'"<>/]/g, (character) => `\\u${hex(character.charCodeAt(0), 4).toUpperCase()}`),
  'as \\xXX': (text) => units(text, (code) => (code < 256 ? `\\x${hex(code, 2)}` : `\\u{${hex(code)}}`)),
  'as \\\\u00xx': (text) => utf16(text, (code) => `\\\\u${hex(code, 4)}`),
  'in HTML': html,
  'in HTML with &quot;': (text) =>
    text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
  'with &#039;': (text) => text.replace(/[&<>"']/g, (character) => `&#0${character.charCodeAt(0)};`),
  'with &#x27;': (text) => text.replace(/[&<>"']/g, (character) => `&#x${hex(character.charCodeAt(0))};`),
  'with &#X27 and no semicolon': (text) =>
    text.replace(/[&<>"']/g, (character) => `&#X${hex(character.charCodeAt(0))};`),
  'in HTML in JSON': (text) => json(html(text)),
  'in JSON in HTML': (text) => html(json(text)),
  'in percent': (text) => encodeURIComponent(text),
  'in percent, lower case': (text) => encodeURIComponent(text).replace(/%../g, (byte) => byte.toLowerCase()),
  'in percent, all of it': (text) => [...Buffer.from(text)].map((byte) => `%${hex(byte, 2)}`).join(''),
  'in percent twice': (text) => encodeURIComponent(encodeURIComponent(text)),
  'in a form': (text) => new URLSearchParams({ text }).toString().slice(5),
  'in a form in HTML': (text) => html(new URLSearchParams({ text, more: '1' }).toString()),
  'in base64': base64,
  'in base64 of a user and it': (text) => base64(`sc:${text}`),
  'in base64 of more': (text) => base64(`login=sc&pw=${text}&more`),
  'in base64 of JSON': (text) => base64(JSON.stringify([{ password: text }])),
  'in base64url': (text) => Buffer.from(`sc1:${text}`).toString('base64url'),
  'in base64 in JSON': (text) => json(base64(`x${text}`)).replaceAll('/', '\\/'),
  'in hexadecimal digits': (text) => Buffer.from(text).toString('hex'),
  'in large hexadecimal digits': (text) => Buffer.from(`x${text}y`).toString('hex').toUpperCase(),
}

/** A part of it, of four characters or more, in any form that a person could decode. */
const isThere = (text: string, password: string) => {
  const bits = Object.values(FORMS).map((form) => form(password))
  return bits.some((bit) => text.includes(bit)) || /cr3t|Y3IzdC|NyM3|c3IzdA|63723374/i.test(text)
}

describe.each(['s3cr3t-Passw0rd', 'pa/s&"<w>ö\'cr3t x', 'a\\b%41cr3t+&amp;\\u0041', '日本cr3t😀?>~', 'cr3t5'])(
  'the password %s',
  (password) => {
    it.each(Object.entries(FORMS))('%s', (_name, form) => {
      const hide = hiding(password)
      const shown = form(password)
      for (const page of [
        shown,
        `Error near ${shown} .`,
        `{"a":"b\\n&amp;%20","pw":"${shown}"}`,
        `${shown},${shown};`,
      ]) {
        const hidden = hide(page)
        expect(isThere(hidden, password), hidden).toBe(false)
        expect(hidden).toContain('null')
      }
    })
  },
)

it('everything else stays as it came', () => {
  const hide = hiding('s3cret"x')
  const pages = [
    '',
    '[{"a":"\\u0041\\\\&amp;%41+"}]',
    '%',
    '&',
    '\\',
    '&#',
    '&#x',
    '&#99999999999;',
    '%E2%82',
    '\\u12',
    '\\u{',
    '\ud800',
    '😀',
  ]
  for (const page of pages) expect(hide(page)).toBe(page)
  for (const page of pages) expect(hide(`${page} s3cret\\"x ${page}`)).toBe(`${page} null ${page}`)
  expect(hide('s3cret"')).toBe('s3cret"')
})

it('a password of three letters is in too many words; the auth element goes all the same', () => {
  const hide = hiding('abc')
  expect(hide(`abc ${authElement('sc', 'abc')} ${JSON.stringify(authElement('sc', 'abc'))}`)).toBe('abc null "null"')
})

// The time-out is a guard: each takes a fraction of a second, or minutes if the algorithm is not linear.
it.each(['\\', '&', '%41', '&#x27;', '\\u0041', '&a', 's3cret-wor', '\\\\n', 's3cret-word'])(
  '4 MiB of %s are gone over in one direction',
  { timeout: 30_000 },
  (piece) => {
    const page = piece.repeat((4 * 1024 * 1024) / piece.length)
    const hidden = hiding('s3cret-word')(page)
    expect(hidden.length > 0 && !hidden.includes('s3cret-word')).toBe(true)
  },
)
