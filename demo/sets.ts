import { between, pick, type Random } from './chance.ts'
import { CARE, COLOURS, DEPARTMENTS, type Department, STYLES } from './words.ts'

export interface DemoProduct {
  sellerSku: string
  price: string
  specialPrice: string | null
  stock: number
  attributes: Record<string, string>
}

export interface DemoSet {
  handle: string
  department: Department
  title: string
  description: string
  products: DemoProduct[]
  imageUrls: string[]
}

/**
 * A product set as a seller might offer it: up to five variations in one or two colours, one to five images.
 *
 * @param mark makes the handle unique
 */
export function inventSet(random: Random, mark: string): DemoSet {
  const department = pick(random, DEPARTMENTS)
  const title = `${pick(random, STYLES)} ${pick(random, department.materials)} ${pick(random, department.nouns)}`
  const handle = `${title.toLowerCase().replaceAll(' ', '-')}-${mark}`
  const [low, high] = department.price
  const regular = between(random, low, high) - 0.01
  const special = random() < 0.2 ? Math.ceil(regular * (0.6 + random() * 0.3)) - 0.01 : null
  const variations = new Map<string, DemoProduct>()
  for (let left = between(random, 1, 5); left > 0; left--) {
    const colour = pick(random, COLOURS)
    const size = pick(random, department.sizes)
    const sellerSku = skuOf(handle, colour, size)
    const attributes = { color: colour, size }
    const stock = random() < 0.08 ? 0 : between(random, 1, 180)
    variations.set(sellerSku, {
      sellerSku,
      price: regular.toFixed(2),
      specialPrice: special?.toFixed(2) ?? null,
      stock,
      attributes,
    })
  }
  return {
    handle,
    department,
    title,
    description: `<p>${title}. ${pick(random, CARE)}</p>`,
    products: [...variations.values()],
    imageUrls: Array.from(
      { length: between(random, 1, 5) },
      (_, index) => `https://images.example/${handle}/${index + 1}.jpg`,
    ),
  }
}

/** How all sellers of the demo name their variations. */
export const skuOf = (handle: string, colour: string, size: string): string =>
  `${handle}-${colour}-${size}`.toUpperCase().replaceAll(' ', '-')
