/** A shorter password is part of too many ordinary words to be searched for. */
const SHORTEST_SECRET = 4
/** Likewise a shorter piece of base64 or hexadecimal digits. */
const SHORTEST_PIECE = 5
/** JSON inside a JSON text inside a JSON text …: nobody nests error pages deeper than this. */
const DEEPEST = 6

/**
 * Error pages like to quote the request that broke them, in any form, and raw answers are stored, logged and shown. So
 * everything from the Shop passes through here. The whole `auth` element is removed where it is echoed as sent or
 * inside a JSON text; the password is removed in every form that a page may give it.
 *
 * The text is decoded as long as there is something to decode (JSON and JavaScript escapes, character references,
 * percent-encoding), and each match is removed at its place in the original. So are the password's base64, whatever
 * precedes it there, and its hexadecimal digits. Each decoding is one pass over the text; a text without escapes needs
 * none.
 *
 * @param auth the serialised `auth` element
 */
export function hidingSecrets(auth: string, password: string): (text: string) => string {
  const whole = [JSON.stringify(auth).slice(1, -1), auth]
  const pieces = password.length >= SHORTEST_SECRET ? piecesOf(password) : []
  return (text) => {
    // `null` in place of the element keeps the rest valid JSON; in place of a password it is a word.
    const rest = whole.reduce((left, element) => left.replaceAll(element, 'null'), text)
    const found = pieces.length === 0 ? [] : placesOf(pieces, rest)
    if (found.length === 0) return rest
    found.sort(([a], [b]) => a - b)
    const kept: string[] = []
    let taken = 0
    for (const [from, to] of found) {
      if (from >= taken) kept.push(rest.slice(taken, from), 'null')
      taken = Math.max(taken, to)
    }
    return kept.join('') + rest.slice(taken)
  }
}

/** Where one of the pieces occurs in a text or in its decoded form. */
function placesOf(pieces: readonly string[], text: string): [from: number, to: number][] {
  const found: [number, number][] = []
  let decoded: Decoded | null = { text, from: null }
  for (let depth = 0; decoded !== null && depth <= DEEPEST; depth++) {
    const { from } = decoded
    for (const piece of pieces) {
      for (let at = decoded.text.indexOf(piece); at !== -1; at = decoded.text.indexOf(piece, at + piece.length)) {
        const end = at + piece.length
        found.push(from === null ? [at, end] : [from[at]!, from[end]!])
      }
    }
    decoded = decode(decoded)
  }
  return found
}

/** What is searched for: the password as it is, as decoded, and in the encodings that hide every character. */
function piecesOf(password: string): string[] {
  const forms = new Set([password, JSON.stringify(password).slice(1, -1), encodeURIComponent(password)])
  const pieces = new Set([password])
  for (const form of forms) {
    const bytes = Buffer.from(form)
    const hexadecimal = bytes.toString('hex')
    // At each of three offsets in a group of three bytes, without the characters that also hold bits of a neighbour.
    const encoded = [0, 1, 2].map((before) => {
      const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64url')
      return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
    })
    const standard = encoded.map((text) => text.replaceAll('-', '+').replaceAll('_', '/'))
    for (const piece of [hexadecimal, hexadecimal.toUpperCase(), ...encoded, ...standard])
      if (piece.length >= SHORTEST_PIECE) pieces.add(piece)
  }
  // The text is decoded completely, so the pieces are too: a password may contain what looks like an escape.
  for (const piece of [...pieces]) {
    for (
      let read = decode({ text: piece, from: null }), n = 0;
      read !== null && n < DEEPEST;
      read = decode(read), n++
    ) {
      if (read.text.length >= SHORTEST_SECRET) pieces.add(read.text)
    }
  }
  return [...pieces]
}

interface Decoded {
  text: string
  /** For each character, and the end, its position in the first text; null: the same position. */
  from: Uint32Array | null
}

const ESCAPE = /[\\&%+]/

/** Decodes each escape once; null when there is none. */
function decode({ text, from }: Decoded): Decoded | null {
  if (!ESCAPE.test(text)) return null
  const { length } = text
  const units = new Uint16Array(length)
  const began = new Uint32Array(length + 1)
  let written = 0
  let isChanged = false
  for (let at = 0; at < length; ) {
    const source = from === null ? at : from[at]!
    const code = text.charCodeAt(at)
    let value = -1
    if (code === BACKSLASH) value = backslashed(text, at)
    else if (code === AMPERSAND) value = reference(text, at)
    else if (code === PERCENT) value = percent(text, at)
    else if (code === PLUS) value = plus(at)
    if (value === -1) {
      value = code
      at++
    } else {
      isChanged = true
      at = end
    }
    if (value > 0xffff) {
      units[written] = 0xd800 + ((value - 0x10000) >> 10)
      began[written++] = source
      value = 0xdc00 + ((value - 0x10000) & 0x3ff)
    }
    units[written] = value
    began[written++] = source
  }
  if (!isChanged) return null
  began[written] = from === null ? length : from[length]!
  return { text: Buffer.from(units.buffer, 0, written * 2).toString('utf16le'), from: began }
}

const [BACKSLASH, AMPERSAND, PERCENT, PLUS] = [0x5c, 0x26, 0x25, 0x2b]

/** Where the last escape ended. A variable instead of a returned object: one text may have millions of them. */
let end = 0

const NIBBLES = new Int8Array(128).fill(-1)
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  NIBBLES[digit.charCodeAt(0)] = value
  NIBBLES[digit.toUpperCase().charCodeAt(0)] = value
}
const nibble = (code: number): number => (code < 128 ? NIBBLES[code]! : -1)

/** A number of `least` to `most` digits; -1 when there is none or it is no character. */
function digits(text: string, at: number, base: 10 | 16, least: number, most: number): number {
  let value = 0
  let n = 0
  for (; n < most && at + n < text.length; n++) {
    const digit = nibble(text.charCodeAt(at + n))
    if (digit === -1 || digit >= base) break
    value = value * base + digit
  }
  end = at + n
  return n < least || value > 0x10ffff ? -1 : value
}

function plus(at: number): number {
  end = at + 1
  return 0x20 // forms write a blank this way
}

const LETTERS: Record<string, number> = { b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 }

/** JSON, JavaScript and PHP escapes. */
function backslashed(text: string, at: number): number {
  const code = text.charCodeAt(at + 1)
  end = at + 2
  // a backslash before punctuation stands for the punctuation
  if (
    (code > 0x20 && code < 0x30) ||
    (code > 0x39 && code < 0x41) ||
    (code > 0x5a && code < 0x61) ||
    (code > 0x7a && code < 0x7f)
  )
    return code
  const letter = text.charAt(at + 1)
  if (letter === 'x') return digits(text, at + 2, 16, 2, 2)
  if (letter !== 'u' && letter !== 'U') return LETTERS[letter] ?? -1
  if (text.charAt(at + 2) !== '{') return digits(text, at + 2, 16, 4, 4)
  const value = digits(text, at + 3, 16, 1, 6)
  return value === -1 || text.charAt(end++) !== '}' ? -1 : value
}

/** By first letter, because a text may consist of ampersands. */
const NAMES: Record<string, [name: string, character: string][]> = {
  a: [
    ['amp;', '&'],
    ['apos;', "'"],
  ],
  l: [['lt;', '<']],
  g: [['gt;', '>']],
  q: [['quot;', '"']],
  n: [['nbsp;', ' ']],
  s: [['sol;', '/']],
  p: [
    ['plus;', '+'],
    ['percnt;', '%'],
  ],
}

/** HTML and XML; leading zeros are allowed, and the semicolon may be missing. */
function reference(text: string, at: number): number {
  if (text.charAt(at + 1) === '#') {
    const isHex = text.charAt(at + 2) === 'x' || text.charAt(at + 2) === 'X'
    const value = isHex ? digits(text, at + 3, 16, 1, 12) : digits(text, at + 2, 10, 1, 12)
    if (value !== -1 && text.charAt(end) === ';') end++
    return value
  }
  if (!(text.charCodeAt(at + 1) >= 0x61)) return -1
  for (const [name, character] of NAMES[text.charAt(at + 1)] ?? []) {
    if (!text.startsWith(name, at + 1)) continue
    end = at + 1 + name.length
    return character.charCodeAt(0)
  }
  return -1
}

/** The bytes of one UTF-8 character; if they are not valid, one byte is one character, as in older character sets. */
function percent(text: string, at: number): number {
  const first = digits(text, at + 1, 16, 2, 2)
  const more = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3
  let value = more === 0 ? first : first & (0x3f >> more)
  for (let n = 1; n <= more; n++) {
    const byte = text.charCodeAt(at + 3 * n) === PERCENT ? digits(text, at + 3 * n + 1, 16, 2, 2) : -1
    if (byte >> 6 !== 2) {
      value = first
      end = at + 3
      break
    }
    value = value * 64 + (byte & 0x3f)
  }
  return value > 0x10ffff ? first : value
}
