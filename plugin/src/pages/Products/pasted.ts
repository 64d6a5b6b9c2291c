import { locationService } from '@grafana/runtime'
import { pageUrl } from '../../location.ts'

/** What was pasted into the search box: too long for an address, and gone with the page. */
let text = ''
let times = 0

export const pastedText = (): string => text

export const keepPasted = (pasted: string): void => {
  text = pasted
}

/** Opens the page of many SKUs with a pasted column of them. */
export function openPasted(pasted: string): void {
  keepPasted(pasted)
  // another address each time: the page may be open already
  locationService.push(pageUrl('skus', { list: String(++times) }))
}
