import { isUtf8 } from 'node:buffer'
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, inflateRaw, zstdDecompress } from 'node:zlib'

/**
 * The first words of a body that could not be read, stored in its place and shown with the item. The bytes follow on
 * the next line, in base64.
 */
export const UNREADABLE = "The Shop's answer cannot be read: "

/** More than this occurs only in an attack. */
const MOST_CODINGS = 3

/** How a body is packed, outermost coding last; a server may also fail to say so. */
export function codingsOf(contentEncoding: string, body: Buffer): string[] {
  const codings = contentEncoding
    .split(',')
    .map((coding) => coding.trim().toLowerCase().replace(/^x-/, ''))
    .filter((coding) => coding !== '' && coding !== 'identity')
  return codings.length === 0 && body[0] === 0x1f && body[1] === 0x8b ? ['gzip'] : codings
}

/**
 * @param limit the most bytes that each unpacking may produce
 * @returns the bytes, or a phrase that says why they cannot be had; null: there are more than `limit`
 */
export async function unpacked(
  body: Buffer,
  codings: readonly string[],
  limit: number,
): Promise<Buffer | string | null> {
  if (body.length === 0) return body
  if (codings.length > MOST_CODINGS) return `it is packed ${codings.length} times`
  let bytes = body
  for (const coding of codings.toReversed()) {
    const unpack = unpackerOf(coding, bytes)
    if (unpack === undefined) return `it is packed as ${coding.slice(0, 40)}`
    try {
      bytes = await unpack(bytes, { maxOutputLength: limit })
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code === 'ERR_BUFFER_TOO_LARGE') return null
      // Some servers claim a coding and do not use it.
      return isUtf8(bytes) ? bytes : `it came packed as ${coding} and could not be unpacked (${message})`
    }
  }
  return bytes
}

type Unpack = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>

const UNPACKERS: Record<string, Unpack> = {
  gzip: promisify(gunzip),
  zlib: promisify(inflate),
  deflate: promisify(inflateRaw),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
}

function unpackerOf(coding: string, bytes: Buffer): Unpack | undefined {
  // `deflate` should have zlib's two header bytes; old servers omit them.
  const hasHeader = bytes.length > 1 && (bytes.readUInt8(0) & 0x0f) === 8 && bytes.readUInt16BE(0) % 31 === 0
  return UNPACKERS[coding === 'deflate' && hasHeader ? 'zlib' : coding]
}

/**
 * The bytes as text. If they are not text: a sentence that says so, and the bytes in base64, which may still help a
 * person.
 *
 * @param unread why they could not be unpacked, in words
 */
export function textOf(
  bytes: Buffer,
  contentType: string,
  hide: (text: string) => string,
  unread: string | null = null,
): string {
  if (unread === null) {
    if (isUtf8(bytes)) return hide(bytes.toString())
    const text = otherText(bytes, contentType)
    if (text !== null) return hide(text)
  }
  const kept = hide(bytes.toString('latin1'))
  return hide(`${UNREADABLE}${unread ?? 'it is no text'}.\n${Buffer.from(kept, 'latin1').toString('base64')}`)
}

const MARKS: [mark: number, charset: string][] = [
  [0xfffe, 'utf-16le'],
  [0xfeff, 'utf-16be'],
]

function otherText(bytes: Buffer, contentType: string): string | null {
  const mark = bytes.length < 2 ? 0 : bytes.readUInt16BE(0)
  const charset =
    MARKS.find(([begin]) => begin === mark)?.[1] ?? /charset\s*=\s*"?([\w.:-]+)/i.exec(contentType)?.[1] ?? 'utf-8'
  if (!/^utf-?8$/i.test(charset)) {
    try {
      return new TextDecoder(charset, { fatal: true }).decode(bytes)
    } catch {
      // An unknown character set, or not the one that was named: treated as if none had been named.
    }
  }
  // Text that was cut inside a character, or is in an old set that is not named, is more useful with a hole than in
  // base64.
  return bytes.every((byte) => byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d)) ? bytes.toString() : null
}
