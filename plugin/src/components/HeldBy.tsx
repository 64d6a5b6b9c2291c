import React from 'react'
import type { Item } from '../../../worker/api/internal/schemas.ts'
import { holderName } from '../../../worker/domain/holder.ts'
import { pageUrl } from '../location.ts'
import { Link } from './Link.tsx'

type Holder = NonNullable<Item['heldBy']>

/** The change that goes first, with its product, as a link. */
export const HeldBy = ({ holder }: { holder: Holder }) => (
  <Link to={pageUrl(`items/${holder.id}`)} inText>
    {holderName(holder)}
  </Link>
)
