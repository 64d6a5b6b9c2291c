import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { Checkbox, FilterInput, IconButton, MultiCombobox, useStyles2 } from '@grafana/ui'
import React, { useId } from 'react'
import { explain } from '../../../../worker/domain/explanations.ts'
import { BLOCKS, type ReasonCode } from '../../../../worker/domain/reasons.ts'
import { PRODUCTS_A_PREFIX } from '../../../../worker/domain/search.ts'
import {
  readStatusFilter,
  STATUSES,
  type StatusFilter,
  statusesOfTab,
  type Tab,
  writeStatusFilter,
} from '../../../../worker/domain/statuses.ts'
import { TOPIC_NAMES, TOPICS } from '../../../../worker/domain/topics.ts'
import { Choice, TimeRange, Typed } from '../../components/FilterInputs.tsx'
import { changeQuery, type Query } from '../../location.ts'
import { SellerChoice } from './SellerChoice.tsx'

/** Lists whose items have several reasons. */
const REASONS_OF: Partial<Record<Tab, readonly ReasonCode[]>> = {
  delayed: ['failure', 'stock_wait'],
  blocked: BLOCKS,
}
/** A reason in the URL counts only where the filter for it is shown. */
export const reasonOf = (tab: Tab, { reason }: Query): string | undefined => (REASONS_OF[tab] ? reason : undefined)

/** What each means is said in the header of the column: here it would be cut. */
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
  const statuses = statusesOfTab(tab)
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
            width={36}
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
      {statuses.length > 1 && <StatusChoice tab={tab} value={query.status} onChange={(status) => set({ status })} />}
      {reasons && (
        <Choice
          label="Reason"
          all="All reasons"
          options={reasons}
          value={query.reason}
          onChange={(reason) => set({ reason })}
        />
      )}
      <SellerChoice value={query.seller} onChange={(seller) => set({ seller })} />
      <TimeRange query={query} placeholder="Queued at any time" onChange={set} />
    </div>
  )
}

const NO_STATUS: StatusFilter = { names: [], allBut: false }

/** One status or several, or all but these. */
function StatusChoice({
  tab,
  value,
  onChange,
}: {
  tab: Tab
  value: string | undefined
  onChange(value: string | undefined): void
}) {
  const labelId = useId()
  const read = value === undefined ? NO_STATUS : readStatusFilter(value)
  const { names, allBut } = typeof read === 'string' ? NO_STATUS : read
  return (
    <>
      <span id={labelId} hidden>
        Status
      </span>
      <MultiCombobox
        aria-labelledby={labelId}
        placeholder="All statuses"
        width={28}
        isClearable
        options={statusesOfTab(tab).map((name) => ({ value: name, label: STATUSES[name].label }))}
        value={names}
        onChange={(options) => onChange(writeStatusFilter({ names: options.map((option) => option.value), allBut }))}
      />
      {names.length > 0 && (
        <Checkbox
          label="All but these"
          value={allBut}
          onChange={({ currentTarget: { checked } }) => onChange(writeStatusFilter({ names, allBut: checked }))}
        />
      )}
    </>
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
