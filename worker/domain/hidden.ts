import type { WhoActs } from './who-acts.ts'

/** Why customers cannot buy a product that the Shop has. */
export interface Hidden {
  why: string
  /** What the seller is told of how it ends. */
  until: string
  whoActs: WhoActs
}

/** @returns null if they can */
export function hiddenBy({
  sellerActive,
  active,
  qcStatus,
}: {
  sellerActive: boolean
  active: boolean
  qcStatus: 'pending' | 'approved' | 'rejected'
}): Hidden | null {
  if (!sellerActive)
    return { why: 'the seller is not active', until: 'They can again once the seller is.', whoActs: 'seller' }
  if (!active)
    return { why: 'the product is not active', until: 'They can again once it is activated.', whoActs: 'seller' }
  if (qcStatus === 'rejected')
    return {
      why: 'it is rejected in quality control',
      until: 'They can again once it is corrected in Seller Center and approved.',
      whoActs: 'seller',
    }
  return qcStatus === 'pending'
    ? {
        why: 'it waits for quality control',
        until: `They can again once it is approved. ${NOTHING}`,
        whoActs: 'nobody',
      }
    : null
}

export const SOLD_OUT: Hidden = {
  why: 'it is sold out',
  until: 'They can again once there is stock.',
  whoActs: 'seller',
}

const NOTHING = 'There is nothing you need to do.'
