import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { locationService } from '@grafana/runtime'
import { Icon, Input, useStyles2 } from '@grafana/ui'
import React, { useEffect, useId, useRef, useState } from 'react'
import type { SearchResult } from '../../../worker/api/internal/schemas.ts'
import { VERDICT_LABELS } from '../../../worker/domain/product-verdict.ts'
import { FRAGMENT_LENGTH } from '../../../worker/domain/search.ts'
import { useSearch } from '../api/products.ts'
import { pageUrl, useRoute } from '../location.ts'
import { openPasted } from '../pages/Products/pasted.ts'

interface Suggestion {
  id: string
  text: string
  note: string
  url: string
}

const PRODUCTS_SUGGESTED = 8
/** Typing does not request anything; the suggestions follow after a pause. */
const TYPING_MS = 200

/** Searches the catalogue from every page; `/` leads to it. A pasted column of SKUs opens a page of its own. */
export function SearchBox() {
  const styles = useStyles2(getStyles)
  const {
    segments: [page],
    query,
  } = useRoute()
  // in a list it is the filter of that list
  const q = page === 'overview' ? (query.q ?? '') : ''
  const [typed, setTyped] = useState(q)
  const [asked, setAsked] = useState('')
  const [open, setOpen] = useState(false)
  const [at, setAt] = useState(-1)
  const input = useRef<HTMLInputElement>(null)
  const listId = useId()
  useEffect(() => setTyped(q), [q])
  useEffect(() => {
    const timer = setTimeout(() => setAsked(open ? typed.trim() : ''), TYPING_MS)
    return () => clearTimeout(timer)
  }, [typed, open])
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      const isTyping = event.target instanceof Element && event.target.closest('input, textarea, [contenteditable]')
      if (event.key !== '/' || isTyping || event.ctrlKey || event.metaKey || event.altKey) return
      event.preventDefault()
      input.current?.focus()
    }
    document.addEventListener('keydown', focus)
    return () => document.removeEventListener('keydown', focus)
  }, [])
  const { data, isPlaceholderData } = useSearch(asked)
  const suggestions = open && asked !== '' && data && !isPlaceholderData ? suggestionsOf(data) : []
  const go = (url: string) => {
    setOpen(false)
    setAt(-1)
    input.current?.blur()
    locationService.push(url)
  }
  return (
    <form
      className={styles.form}
      role="search"
      aria-label="Catalogue"
      onSubmit={(event) => {
        event.preventDefault()
        go(suggestions[at]?.url ?? pageUrl('overview', { q: typed.trim() }))
      }}
    >
      <Input
        ref={input}
        role="combobox"
        aria-label="Search everything"
        aria-expanded={suggestions.length > 0}
        aria-controls={listId}
        aria-autocomplete="list"
        aria-activedescendant={at >= 0 ? `${listId}-${at}` : undefined}
        autoComplete="off"
        maxLength={200}
        prefix={<Icon name="search" />}
        placeholder="Find a product: any part of a SKU or title, a seller, an id; or paste a column of SKUs"
        value={typed}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onChange={(event) => {
          setTyped(event.currentTarget.value)
          setOpen(true)
          setAt(-1)
        }}
        onPaste={(event) => {
          const text = event.clipboardData.getData('text')
          if (!/\S[\n\r\t]+\s*\S/.test(text)) return
          event.preventDefault()
          setOpen(false)
          openPasted(text)
        }}
        onKeyDown={(event) => {
          if (event.key === 'Escape') setOpen(false)
          const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
          if (step === undefined || suggestions.length === 0) return
          event.preventDefault()
          setAt((at + step + suggestions.length + (at < 0 && step < 0 ? 1 : 0)) % suggestions.length)
        }}
      />
      <div
        id={listId}
        role="listbox"
        aria-label="Suggestions"
        className={suggestions.length > 0 || (open && data?.tooShort && asked !== '') ? styles.list : styles.none}
      >
        {suggestions.map(({ id, text, note, url }, place) => (
          <div
            key={id}
            id={`${listId}-${place}`}
            role="option"
            aria-selected={place === at}
            tabIndex={-1}
            className={styles.option}
            // not the click: before it the input loses the focus, and the suggestions are gone
            onMouseDown={(event) => {
              event.preventDefault()
              if (event.button === 0) go(url)
            }}
          >
            <span>{text}</span>
            <span className={styles.note}>{note}</span>
          </div>
        ))}
        {open && asked !== '' && data?.tooShort && suggestions.length === 0 && (
          <div role="option" aria-selected={false} aria-disabled tabIndex={-1} className={styles.option}>
            <span className={styles.note}>
              Less than {FRAGMENT_LENGTH} letters or digits in a row: only whole SKUs, ids and names are found.
            </span>
          </div>
        )}
      </div>
    </form>
  )
}

const suggestionsOf = ({ products, sellers, itemIds }: SearchResult): Suggestion[] => [
  ...products.slice(0, PRODUCTS_SUGGESTED).map(({ id, productSetId, sellerSku, title, sellerName, verdict }) => ({
    id: `product ${id}`,
    text: title === null ? sellerSku : `${sellerSku} · ${title}`,
    note: `${sellerName} · ${VERDICT_LABELS[verdict.code]}`,
    url: pageUrl(`products/${productSetId}`, { product: id }),
  })),
  ...sellers.map(({ id, name, active }) => ({
    id: `seller ${id}`,
    text: name,
    note: active ? 'Seller' : 'Seller, not active',
    url: pageUrl(`sellers/${id}`),
  })),
  ...itemIds.map((id) => ({
    id: `item ${id}`,
    text: `Item ${id}`,
    note: 'In the queue or its history',
    url: pageUrl(`items/${id}`),
  })),
]

const getStyles = (theme: GrafanaTheme2) => ({
  form: css({ position: 'relative' }),
  none: css({ display: 'none' }),
  list: css({
    position: 'absolute',
    zIndex: theme.zIndex.dropdown,
    left: 0,
    right: 0,
    maxHeight: '60vh',
    overflowY: 'auto',
    background: theme.colors.background.elevated ?? theme.colors.background.secondary,
    border: `1px solid ${theme.colors.border.medium}`,
    borderRadius: theme.shape.radius.default,
    boxShadow: theme.shadows.z3,
  }),
  option: css({
    display: 'flex',
    flexWrap: 'wrap',
    justifyContent: 'space-between',
    gap: theme.spacing(0, 2),
    padding: theme.spacing(1),
    cursor: 'pointer',
    overflowWrap: 'anywhere',
    '&:hover, &[aria-selected="true"]': { background: theme.colors.action.hover },
  }),
  note: css({ color: theme.colors.text.secondary }),
})
