import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

export type Address = ipaddr.IPv4 | ipaddr.IPv6

/**
 * Reads an IP address in any notation. An IPv4-mapped IPv6 address (`::ffff:7f00:1`) is read as the IPv4 address.
 * Ambiguous notations are refused: leading zeros (`010.0.0.1` may be 10.0.0.1 or 8.0.0.1), hexadecimal or missing
 * octets, `::1.2.3.4`. So are addresses with a zone (`fe80::1%eth0`), which mean something on one machine only.
 *
 * @example readAddress('::ffff:127.0.0.1')?.toString() // '127.0.0.1'
 */
export function readAddress(text: string): Address | null {
  if (text.length > LONGEST) return null
  const known = READ.get(text)
  if (known !== undefined) return known
  const address = parseAddress(text)
  if (READ.size >= MOST_READ) READ.clear()
  READ.set(text, address)
  return address
}

/** A request of the Shop asks for the same address four times, which would be a tenth of its cost. */
const READ = new Map<string, Address | null>()
const MOST_READ = 1000
/** `0000:0000:0000:0000:0000:ffff:255.255.255.255` */
const LONGEST = 45

function parseAddress(text: string): Address | null {
  // ipaddr.js accepts every notation of inet_aton; what Node accepts is unambiguous except for the two cases refused
  // here.
  if (isIP(text) === 0 || text.includes('%') || /^::\d+\./.test(text)) return null
  return ipaddr.process(text)
}

export interface AllowList {
  /** @param address null or an invalid address is on no list */
  allows(address: string | null): boolean
}

/**
 * A white list of IPv4 and IPv6 addresses and CIDR ranges. An empty list allows nobody, and an invalid entry allows
 * nothing. `::/0` is all of IPv6 and nothing of IPv4.
 *
 * @example allowList(['10.0.0.0/8', '2001:db8::7']).allows('::ffff:10.1.2.3') // true
 */
export function allowList(entries: readonly string[]): AllowList {
  const ranges = entries.map(readRange).filter((range) => range !== null)
  return {
    allows(text) {
      const address = text === null ? null : readAddress(text)
      return (
        address !== null &&
        ranges.some(([start, bits]) => start.kind() === address.kind() && address.match(start, bits))
      )
    },
  }
}

/** Whether an admin may put this on a white list. */
export const isAllowListEntry = (entry: string): boolean => readRange(entry) !== null

/** Whether an entry allows more than anyone's network: a range wider than a /8, above all `0.0.0.0/0`. */
export function isOpenRange(entry: string): boolean {
  const range = readRange(entry)
  return range !== null && range[1] < 8
}

function readRange(entry: string): [Address, number] | null {
  const [start = '', bits, ...rest] = entry.trim().split('/')
  const address = readAddress(start)
  if (address === null || rest.length > 0) return null
  const width = address.kind() === 'ipv4' ? 32 : 128
  if (bits === undefined) return [address, width]
  if (!/^(0|[1-9]\d{0,2})$/.test(bits)) return null
  // The prefix length of an IPv4-mapped range counts from the start of the IPv6 address.
  const length = Number(bits) - (width === 32 && start.includes(':') ? 96 : 0)
  return length >= 0 && length <= width ? [address, length] : null
}
