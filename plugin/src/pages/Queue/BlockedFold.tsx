import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { Button, Icon, useStyles2 } from '@grafana/ui'
import React from 'react'
import { useSummary } from '../../api/numbers.ts'
import { useTabCounts } from '../../components/Page.tsx'
import { changeQuery, type Query } from '../../location.ts'

/**
 * Blocked items belong to this list, but wait for something else than a turn: many of them are normal, and would hide
 * the others. So they are one line.
 */
export function BlockedFold({ query }: { query: Query }) {
  const styles = useStyles2(getStyles)
  const isShown = query.blocked === 'shown'
  const { data } = useSummary()
  const counts = useTabCounts(query)
  const count = counts === null ? data && { count: data.blocked, exact: true } : counts?.blocked
  if (!count?.count) return null
  return (
    <div className={styles.line} data-testid="folded-blocked">
      <Icon name="lock" />
      <span>
        {count.exact ? '' : 'More than '}
        {count.count.toLocaleString('en')} Blocked {count.count === 1 ? 'item is' : 'items are'}{' '}
        {isShown ? 'among these' : 'folded'}: saved, and waiting for something else than a turn.
      </span>
      <Button
        size="sm"
        variant="secondary"
        fill="text"
        onClick={() => changeQuery({ blocked: isShown ? undefined : 'shown', cursor: undefined })}
      >
        {isShown ? 'Fold' : 'Show'}
      </Button>
    </div>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  line: css({
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'center',
    gap: theme.spacing(1),
    padding: theme.spacing(0.5, 1),
    background: theme.colors.background.secondary,
  }),
})
