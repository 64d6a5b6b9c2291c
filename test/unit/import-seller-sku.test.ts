import { describe, expect, it } from 'vitest'
import { MAX_DERIVED_SKU, sellerSkus } from '../../worker/catalogue/seller-sku.ts'

const derived = (handle: string, ...options: string[][]): string[] =>
  sellerSkus(
    handle,
    options.map((values) => ({ given: '', options: values })),
  )

describe('a derived seller SKU', () => {
  it.each([
    ['classic-varsity-top', ['Small'], 'CLASSIC-VARSITY-TOP-SMALL'],
    ['ocean-blue-shirt', [], 'OCEAN-BLUE-SHIRT'],
    ['oak-stool', ['45 cm', 'Natural (oiled)'], 'OAK-STOOL-45-CM-NATURAL-OILED'],
    ['kinder-muetze', ['Übergröße'], 'KINDER-MUETZE-UBERGROSSE'],
    ['tee', ['７½'], 'TEE-71-2'],
    ['قميص-كتان', ['صغير'], 'قميص-كتان-صغير'],
  ])('of %s %j is %s', (handle, options, sku) => {
    expect(derived(handle, options)).toEqual([sku])
  })

  it('is the same for both ways to write an accent', () => {
    expect(derived('crème', ['Café'.normalize('NFD')])).toEqual(
      derived('crème'.normalize('NFD'), ['Café'.normalize('NFC')]),
    )
  })

  it('is cut where it is too long, and still differs by its end', () => {
    const handle = 'scarf-'.repeat(15)
    const [sand, rust] = derived(handle, ['Sand'], ['Rust'])
    expect(sand).toMatch(/^SCARF-.*-[0-9A-F]{6}$/)
    expect(sand!.length).toBeLessThanOrEqual(MAX_DERIVED_SKU)
    expect(sand).not.toBe(rust)
    expect(derived(handle, ['Sand'])).toEqual([sand])
  })

  it('ends in a digest where an option has neither letter nor digit', () => {
    const [one, two] = derived('tray', ['★'], ['★★'])
    expect(one).toMatch(/^TRAY-[0-9A-F]{6}$/)
    expect(one).not.toBe(two)
  })
})

describe('variants that would share an SKU', () => {
  it('get a suffix each that does not depend on their order', () => {
    const [slash, space, large] = derived('hat', ['S/M'], ['S M'], ['L'])
    expect([slash, space]).toEqual([
      expect.stringMatching(/^HAT-S-M-[0-9A-F]{6}$/),
      expect.stringMatching(/^HAT-S-M-[0-9A-F]{6}$/),
    ])
    expect(large).toBe('HAT-L')
    expect(derived('hat', ['L'], ['S M'], ['S/M'])).toEqual([large, space, slash])
  })

  it('leave an SKU to the one that the seller gave it to', () => {
    const skus = sellerSkus('hat', [
      { given: '', options: ['S'] },
      { given: 'HAT-S', options: ['Small'] },
    ])
    expect(skus).toEqual([expect.stringMatching(/^HAT-S-[0-9A-F]{6}$/), 'HAT-S'])
  })

  it('get a suffix too where the seller gave the same SKU twice', () => {
    const skus = sellerSkus('hat', [
      { given: 'H1', options: ['S'] },
      { given: 'H1', options: ['M'] },
    ])
    expect(skus).toEqual([expect.stringMatching(/^H1-[0-9A-F]{6}$/), expect.stringMatching(/^H1-[0-9A-F]{6}$/)])
    expect(new Set(skus).size).toBe(2)
  })
})
