import React from 'react'
import type { RunPreview } from '../../../worker/api/internal/schemas.ts'

type Numbers = Pick<RunPreview, 'taken' | 'productSets' | 'skippedTotal' | 'complete'>

/** The numbers of a preview, for the record of its run; `first` where only the beginning was looked at. */
export const previewedOf = ({ taken, productSets, skippedTotal, complete }: Numbers): Record<string, number> => ({
  taken,
  productSets,
  skippedTotal,
  ...(!complete && { first: taken + skippedTotal }),
})

/** How much a preview has looked at, where that is not all. */
export function OfTheFirst({ preview: { complete, taken, skippedTotal } }: { preview: Numbers }) {
  if (complete) return null
  return <>There are too many to look at each now. Of the first {(taken + skippedTotal).toLocaleString('en')}: </>
}
