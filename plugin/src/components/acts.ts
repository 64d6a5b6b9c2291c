import type { WhoActs } from '../../../worker/domain/seller-answer.ts'

/** Who has to act, in a few words. */
export const ACTS: Record<WhoActs, string> = {
  nobody: 'Nobody has to act',
  seller: 'The seller has to act',
  admin: 'An admin has to act',
  shop: 'The Shop has to act',
  sre: 'Operations have to act',
}

/** The same below a header that asks it. */
export const ACTORS: Record<WhoActs, string> = {
  nobody: 'Nobody',
  seller: 'The seller',
  admin: 'An admin',
  shop: 'The Shop',
  sre: 'Operations',
}
