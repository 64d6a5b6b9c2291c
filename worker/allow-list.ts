import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

export type Address = ipaddr.IPv4 | ipaddr.IPv6

/**
 * Reads an IP address in whatever form it is written. An IPv4 address in IPv6 clothes (`::ffff:7f00:1`) is the IPv4
 * address. What two programs could read in two ways is no address: leading zeros (`010.0.0.1` is 10.0.0.1 to some and
 * 8.0.0.1 to others), hexadecimal or missing octets, `::1.2.3.4`. Neither is one with a zone (`fe80::1%eth0`): it means
 * something on one machine only.
 *
 * @example readAddress('::ffff:127.0.0.1')?.toString() // '127.0.0.1'
 */
export function readAddress(text: string): Address | null {
  // ipaddr.js takes all the forms that inet_aton takes; what Node takes is unambiguous but for the two that are refused
  // here.
  if (isIP(text) === 0 || text.includes('%') || /^::\d+\./.test(text)) return null
  return ipaddr.process(text)
}

export interface AllowList {
  /** @param address null, or what is no address, is on no list */
  allows(address: string | null): boolean
}

/**
 * A white list of addresses and CIDR ranges, IPv4 and IPv6. An empty one allows nobody, nor does an entry
 * that is neither an address nor a range. `::/0` is all of IPv6 and nothing of IPv4.
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

/** Whether an entry lets in more than anybody's network has: a range wider than a /8, `0.0.0.0/0` above all. */
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
  // A range that was written with an IPv4 address in IPv6 clothes counts its bits from the IPv6 end.
  const length = Number(bits) - (width === 32 && start.includes(':') ? 96 : 0)
  return length >= 0 && length <= width ? [address, length] : null
}
