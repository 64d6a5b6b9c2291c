import type { Result } from './answers.ts'
import type { Fails } from './products.ts'
import type { AnswerTrouble, Trouble } from './troubles.ts'

const never: Fails = () => false

/** Which rows fail: all, every second one (at least one), or none. */
export function failing(trouble: AnswerTrouble | null): Fails {
  if (trouble === 'failureRows') return () => true
  if (trouble === 'partial') return (position, count) => count === 1 || position % 2 === 1
  return never
}

/**
 * The result of a Shop with faulty answers (docs/shop-protocol.md, section 4: unusable answers and src id conflicts).
 * The products stay as they are; only the report about them is spoiled.
 */
export function spoiled(result: Result, trouble: AnswerTrouble | null, method: string, setting: Trouble): unknown {
  switch (trouble) {
    case 'wrongRowCount':
      if (Array.isArray(result)) return [...result, result.at(-1) ?? { status: 'success', product: {} }]
      return { ...result, images: [...result.images, result.images.at(-1) ?? { uri: '/p/0.jpg', hash: '', srcId: 0 }] }
    case 'wrongProduct':
      if (!Array.isArray(result)) return { ...result, productSetSrcId: result.productSetSrcId + 1_000_000 }
      return withFirstProduct(result, ({ seller_sku, sku, id }) => ({
        seller_sku: `OTHER-${seller_sku}`,
        sku: `OTHER-${sku}`,
        id: `${id}000`,
      }))
    case 'srcIdTaken':
      if (!Array.isArray(result) || method !== 'Product.createProducts') return result
      return withFirstProduct(result, ({ id, config_id }) => ({
        id: setting.takenSrcId ?? id,
        config_id: setting.takenConfigId ?? config_id,
      }))
    case 'missingProduct':
      if (!Array.isArray(result)) return { productSetSrcId: result.productSetSrcId }
      return result.map((row) => (row.status === 'success' ? { ...row, product: {} } : row))
    default:
      return result
  }
}

type Row = Extract<Result, unknown[]>[number]
type ProductAnswer = Extract<Row, { status: 'success' }>['product']

function withFirstProduct(rows: Row[], change: (product: ProductAnswer) => Partial<ProductAnswer>): Row[] {
  const first = rows.findIndex(({ status }) => status === 'success')
  return rows.map((row, k) =>
    k === first && row.status === 'success' ? { ...row, product: { ...row.product, ...change(row.product) } } : row,
  )
}
