import type { Cause } from '../../../worker/api/internal/schemas.ts'
import { explain } from '../../../worker/domain/explanations.ts'

/** What tells a cause from others, in one line. */
export function causeName({
  reason,
  method,
  httpStatus,
  pattern,
}: Pick<Cause, 'reason' | 'method' | 'httpStatus' | 'pattern'>): string {
  const { label } = explain(reason)
  const what = pattern === '' ? label : reason === 'failure' ? pattern : `${label}: ${pattern}`
  const isSaid = new RegExp(`\\bHTTP (status )?${httpStatus}\\b`).test(pattern)
  const http = httpStatus === null || isSaid ? [] : [`HTTP ${httpStatus}`]
  return [what, ...http, ...(method === null ? [] : [method])].join(' · ')
}
