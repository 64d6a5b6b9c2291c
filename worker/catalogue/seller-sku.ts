import { createHash } from 'node:crypto'

/** The longest derived seller SKU. */
export const MAX_DERIVED_SKU = 64

export interface Variant {
  /** The seller's own SKU; '' if the export has none. */
  given: string
  /** The option values in order; empty for a product without options. */
  options: readonly string[]
}

/**
 * The seller SKUs of the variants of one set, in order. The seller's own SKU is used if there is one. Otherwise the SKU
 * is derived from handle and option values only, so that the next export of the same product gives the same SKU, in any
 * order.
 *
 * If variants of a set would share an SKU ("S/M" and "S M"), each gets a suffix made from its option values; an SKU
 * that the seller gave to only one of them stays with that one. Identical variants still share it: the caller must
 * refuse them.
 *
 * @example
 * sellerSkus('classic-varsity-top', [{ given: '', options: ['Small'] }]) // ['CLASSIC-VARSITY-TOP-SMALL']
 */
export function sellerSkus(handle: string, variants: readonly Variant[]): string[] {
  const wanted = variants.map(({ given, options }) => given || deriveSku([handle, ...options]))
  const all = countBy(wanted)
  const given = countBy(variants.map((variant) => variant.given))
  return variants.map((variant, index) => {
    const sku = wanted[index]!
    const alone = all.get(sku) === 1 || (variant.given !== '' && given.get(sku) === 1)
    return alone ? sku : `${variant.given || cut(sku, MAX_DERIVED_SKU - 7)}-${digest(variant.options)}`
  })
}

/**
 * Letters and digits of every script stay, Latin accents are dropped, and everything between becomes one hyphen. What
 * is too long, or leaves nothing readable, ends in a digest.
 */
function deriveSku(parts: readonly string[]): string {
  const slugs = parts.map((part) =>
    part
      .normalize('NFKD')
      .replace(/[\u0300-\u036f]/g, '')
      .normalize('NFC')
      .toUpperCase()
      .replace(/[^\p{L}\p{M}\p{N}]+/gu, '-')
      .replace(/^-|-$/g, ''),
  )
  const sku = slugs.filter(Boolean).join('-')
  if (slugs.every(Boolean) && sku.length <= MAX_DERIVED_SKU) return sku
  return [cut(sku, MAX_DERIVED_SKU - 7), digest(parts)].filter(Boolean).join('-')
}

/** Never cuts a character in two and never ends in a hyphen. */
const cut = (text: string, length: number): string =>
  text
    .slice(0, length)
    .replace(/[\ud800-\udbff]$/, '')
    .replace(/-$/, '')

const digest = (parts: readonly string[]): string =>
  createHash('md5').update(parts.join('\0')).digest('hex').slice(0, 6).toUpperCase()

function countBy(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}
