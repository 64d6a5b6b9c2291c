import { describe, expect, it } from 'vitest'
import { allowList } from '../../worker/allow-list.ts'
import { remoteAddress } from '../../worker/api/remote-address.ts'

const proxies = allowList(['10.0.0.0/8', 'fd00::/8'])

describe('remoteAddress', () => {
  it.each([
    // peer, X-Forwarded-For, client
    ['the peer, where there is no header', '192.0.2.1', undefined, '192.0.2.1'],
    ['the peer in canonical form', '::ffff:192.0.2.1', undefined, '192.0.2.1'],
    ['the peer without its zone', 'fe80::1%eth0', undefined, 'fe80::1'],
    ['the peer, which is no proxy of ours, whatever it says', '192.0.2.1', '203.0.113.9', '192.0.2.1'],
    ['what our proxy saw', '10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['what our proxy, an IPv4 peer on an IPv6 socket, saw', '::ffff:10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['what our proxy saw, over IPv6', 'fd00::1', '2001:DB8::7', '2001:db8::7'],
    ['not the leftmost, which the client wrote', '10.0.0.1', '127.0.0.1, 203.0.113.9', '203.0.113.9'],
    ['the last before a chain of our proxies', '10.0.0.1', '127.0.0.1, 203.0.113.9, 10.0.0.3, 10.0.0.2', '203.0.113.9'],
    ['the leftmost, where all are proxies of ours', '10.0.0.1', '10.0.0.3,10.0.0.2', '10.0.0.3'],
    ['without the port', '10.0.0.1', '203.0.113.9:4711', '203.0.113.9'],
    ['without port and brackets', '10.0.0.1', '[2001:db8::7]:4711', '2001:db8::7'],
    ['without brackets', '10.0.0.1', '[2001:db8::7]', '2001:db8::7'],
    ['the last good one, before an entry that is no address', '10.0.0.1', '203.0.113.9, unknown, 10.0.0.2', '10.0.0.2'],
    ['the last good one, before an empty entry', '10.0.0.1', '203.0.113.9,,', '10.0.0.1'],
    ['the last good one, before an ambiguous entry', '10.0.0.1', '203.0.113.9, 010.0.0.2', '10.0.0.1'],
    ['the last good one, before a zone', '10.0.0.1', 'fe80::1%eth0', '10.0.0.1'],
    ['the proxy, where the header is empty', '10.0.0.1', '', '10.0.0.1'],
    ['an IPv4-mapped entry as IPv4', '10.0.0.1', '::ffff:cb00:7109', '203.0.113.9'],
    ['nobody, once the socket is gone', undefined, '203.0.113.9', null],
    ['nobody, where the peer is no address', 'unix', '203.0.113.9', null],
  ])('is %s', (_, peer, forwardedFor, client) => {
    expect(remoteAddress(peer, forwardedFor, proxies)).toBe(client)
  })

  it('trusts no proxy where none is named', () => {
    expect(remoteAddress('127.0.0.1', '203.0.113.9', allowList([]))).toBe('127.0.0.1')
  })

  it('takes a header as long as Node lets it in without delay', () => {
    const header = Array.from({ length: 4_000 }, () => '10.0.0.2').join()
    expect(remoteAddress('10.0.0.1', `203.0.113.9,${header}`, proxies)).toBe('203.0.113.9')
  })
})
