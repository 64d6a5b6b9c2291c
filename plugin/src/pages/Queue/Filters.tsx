import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { FilterInput, IconButton, Input, useStyles2 } from '@grafana/ui'
import React from 'react'
import { explain } from '../../../../worker/domain/explanations.ts'
import { BLOCKS, type ReasonCode } from '../../../../worker/domain/reasons.ts'
import { PRODUCTS_A_PREFIX } from '../../../../worker/domain/search.ts'
import { STATUS_NAMES, STATUSES, type Tab } from '../../../../worker/domain/statuses.ts'
import { TOPIC_NAMES, TOPICS } from '../../../../worker/domain/topics.ts'
import { Choice, TimeRange, Typed } from '../../components/FilterInputs.tsx'
import { changeQuery, type Query } from '../../location.ts'

/** Lists whose items have several reasons. */
const REASONS_OF: Partial<Record<Tab, readonly ReasonCode[]>> = {
  delayed: ['failure', 'stock_wait'],
  blocked: BLOCKS,
}
/** A reason in the URL counts only where the filter for it is shown. */
export const reasonOf = (tab: Tab, { reason }: Query): string | undefined => (REASONS_OF[tab] ? reason : undefined)

const topics = TOPIC_NAMES.map((value) => ({ value, label: TOPICS[value].label }))

/** What a search matches: after typing anything else, an admin would take "nothing found" for an answer. */
export const SEARCHED =
  'A search finds a seller SKU or Shop SKU, case-sensitive; a product, set, item or request by its whole id; a ' +
  'seller by their whole name; or else the SKUs that begin with it.'
/** Shown when a search matches more than the API looked up. */
export const FIRST_ONLY =
  `More than ${PRODUCTS_A_PREFIX} products begin with this; only the first ${PRODUCTS_A_PREFIX} were looked at. Give ` +
  'more of the SKU.'

/** The filters of the list, all of them in the URL. */
export function Filters({ tab, query }: { tab: Tab; query: Query }) {
  const styles = useStyles2(getStyles)
  const statuses = STATUS_NAMES.filter(
    (name) => STATUSES[name].tab === tab || (tab === 'pending' && name === 'blocked'),
  ).map((value) => ({
    value,
    label: STATUSES[value].label,
  }))
  const reasons = REASONS_OF[tab]?.map((value) => ({ value, label: explain(value).label }))
  const set = (change: Query) => changeQuery({ ...change, cursor: undefined })
  return (
    <div className={styles.row} role="search" aria-label="Filters">
      <Typed value={query.q} onChange={(q) => set({ q })}>
        {(value, onChange) => (
          <FilterInput
            placeholder="SKU from its beginning, id, or seller"
            value={value}
            onChange={onChange}
            escapeRegex={false}
            width={38}
            aria-label="Search"
          />
        )}
      </Typed>
      <IconButton name="info-circle" tooltip={SEARCHED} tooltipPlacement="bottom" />
      <Choice
        label="Topic"
        all="All topics"
        options={topics}
        value={query.topic}
        onChange={(topic) => set({ topic })}
      />
      {statuses.length > 1 && (
        <Choice
          label="Status"
          all="All statuses"
          options={statuses}
          value={query.status}
          onChange={(status) => set({ status })}
        />
      )}
      {reasons && (
        <Choice
          label="Reason"
          all="All reasons"
          options={reasons}
          value={query.reason}
          onChange={(reason) => set({ reason })}
        />
      )}
      <Typed value={query.seller} onChange={(seller) => set({ seller })}>
        {(value, onChange) => (
          <Input
            aria-label="Seller"
            placeholder="Seller, whole name or id"
            width={24}
            value={value}
            onChange={(event) => onChange(event.currentTarget.value)}
          />
        )}
      </Typed>
      <TimeRange query={query} placeholder="Queued at any time" onChange={set} />
    </div>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  row: css({
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'center',
    gap: theme.spacing(1),
    marginBottom: theme.spacing(2),
  }),
})
