import { describe, expect, it } from 'vitest'
import { allowList, isAllowListEntry, readAddress } from '../../worker/allow-list.ts'

describe('readAddress', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:7f00:1', '127.0.0.1'],
    ['0:0:0:0:0:ffff:c000:0201', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:7', '2001:db8::7'],
    ['2001:db8::0007', '2001:db8::7'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['::1', '::1'],
  ])('%s is %s', (text, canonical) => {
    expect(readAddress(text)?.toString()).toBe(canonical)
  })

  it.each([
    ['', 'nothing'],
    ['010.0.0.1', 'leading zero'],
    ['127.0.0.01', 'leading zero'],
    ['::ffff:127.0.0.01', 'leading zero in an IPv4-mapped address'],
    ['0x7f.0.0.1', 'hexadecimal'],
    ['127.1', 'octets missing'],
    ['2130706433', 'one number'],
    ['256.0.0.1', 'octet too large'],
    ['1.2.3.4.5', 'five octets'],
    ['::127.0.0.1', 'IPv4-compatible'],
    ['fe80::1%eth0', 'zone'],
    ['1::2::3', 'two gaps'],
    ['192.0.2.1:80', 'port'],
    ['[::1]', 'brackets'],
    [' 192.0.2.1', 'space'],
    ['192.0.2.1\n', 'line break'],
    ['192.0.2.0/24', 'range'],
    ['١٢٧.0.0.1', 'other digits'],
    ['localhost', 'name'],
  ])('%j is no address: %s', (text) => {
    expect(readAddress(text)).toBeNull()
  })
})

describe('allowList', () => {
  it.each([
    // entry, address
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1', '::ffff:192.0.2.1'],
    ['192.0.2.1', '::ffff:c000:201'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['192.0.2.0/24', '192.0.2.255'],
    ['192.0.2.77/24', '192.0.2.1'],
    ['::ffff:192.0.2.0/120', '192.0.2.9'],
    ['0.0.0.0/0', '203.0.113.9'],
    [' 192.0.2.1 ', '192.0.2.1'],
    ['2001:db8::/32', '2001:db8:ffff::1'],
    ['2001:DB8::0:7', '2001:db8::7'],
    ['::/0', '2001:db8::7'],
    ['::1/128', '0:0:0:0:0:0:0:1'],
  ])('%j allows %s', (entry, address) => {
    expect(allowList([entry]).allows(address)).toBe(true)
    expect(isAllowListEntry(entry)).toBe(true)
  })

  it.each([
    ['192.0.2.1', '192.0.2.2'],
    ['192.0.2.0/24', '192.0.3.0'],
    ['192.0.2.128/25', '192.0.2.127'],
    ['2001:db8::/33', '2001:db8:8000::1'],
    ['::/0', '192.0.2.1'],
    ['0.0.0.0/0', '2001:db8::7'],
    ['192.0.2.1', '192.0.2.01'],
    ['192.0.2.1', ''],
  ])('%j does not allow %j', (entry, address) => {
    expect(allowList([entry]).allows(address)).toBe(false)
  })

  it.each([
    '',
    '*',
    'shop.example',
    '192.0.2.0/33',
    '192.0.2.0/',
    '192.0.2.0/-1',
    '192.0.2.0/024',
    '192.0.2.0/24/24',
    '192.0.2.0/255.255.255.0',
    '192.0.2.010',
    '2001:db8::/129',
    '::ffff:192.0.2.0/95',
    '::ffff:192.0.2.0/24',
    'fe80::1%eth0',
    '::192.0.2.1',
    '192.0.2.*',
  ])('%j is refused, allows nobody and does not spoil the rest', (entry) => {
    const list = allowList([entry, '192.0.2.7'])
    expect(isAllowListEntry(entry)).toBe(false)
    expect(list.allows('192.0.2.7')).toBe(true)
    expect(list.allows('192.0.2.1')).toBe(false)
    expect(list.allows('::1')).toBe(false)
  })

  it('allows nobody when it is empty, and nobody who has no address', () => {
    expect(allowList([]).allows('127.0.0.1')).toBe(false)
    expect(allowList(['0.0.0.0/0', '::/0']).allows(null)).toBe(false)
  })
})
