import { css, cx } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { Checkbox, Icon, IconButton, Toggletip, useStyles2 } from '@grafana/ui'
import React, { type ReactNode } from 'react'

export interface TableColumn<Row> {
  name: string
  label: string
  cell(row: Row): ReactNode
  /** What it shows, where the label does not say it all. */
  help?: string | React.ReactElement | undefined
  /** The order as in the URL; a leading minus means descending. */
  sort?: string | undefined
}

interface Props<Row> {
  label: string
  columns: TableColumn<Row>[]
  rows: readonly Row[]
  sort?: string | undefined
  onSort?(sort: string): void
  /** Ids of the selected rows. They stay selected when the rows are refreshed. */
  selected?: ReadonlySet<string>
  onSelect?(ids: ReadonlySet<string>): void
  /** An action at the end of each row. */
  action?: { label: string; of(row: Row): ReactNode }
  /** What a screen reader calls a row. */
  nameOf?(row: Row): string
}

/** A plain table: the server decides content, order and page. */
export function Table<Row extends { id: string }>({
  label,
  columns,
  rows,
  sort,
  onSort,
  selected,
  onSelect,
  action,
  nameOf = ({ id }) => id,
}: Props<Row>) {
  const styles = useStyles2(getStyles)
  const here = rows.filter(({ id }) => selected?.has(id)).length
  const toggle = (ids: string[], on: boolean) => {
    const next = new Set(selected)
    for (const id of ids) on ? next.add(id) : next.delete(id)
    onSelect?.(next)
  }
  return (
    <div className={styles.scroll}>
      <table className={styles.table} aria-label={label}>
        <thead>
          <tr>
            {onSelect && (
              <th className={styles.tick}>
                <Checkbox
                  aria-label="Select all on this page"
                  value={rows.length > 0 && here === rows.length}
                  indeterminate={here > 0 && here < rows.length}
                  onChange={(event) =>
                    toggle(
                      rows.map(({ id }) => id),
                      event.currentTarget.checked,
                    )
                  }
                />
              </th>
            )}
            {columns.map(({ name, label: text, sort: key, help }) => {
              const order = key && sort === key ? 'ascending' : key && sort === `-${key}` ? 'descending' : undefined
              return (
                <th key={name} scope="col" aria-sort={order}>
                  <span className={key && onSort && styles.whole}>
                    {key && onSort ? (
                      <button
                        type="button"
                        className={styles.sort}
                        onClick={() => onSort(order === 'ascending' ? `-${key}` : key)}
                      >
                        {text} {order && <Icon name={order === 'ascending' ? 'arrow-up' : 'arrow-down'} />}
                      </button>
                    ) : (
                      text.slice(0, text.lastIndexOf(' ') + 1)
                    )}
                    <span className={styles.end}>
                      {!(key && onSort) && text.slice(text.lastIndexOf(' ') + 1)}
                      {help && (
                        <Toggletip title={text} content={help} placement="bottom">
                          <IconButton
                            name="info-circle"
                            size="sm"
                            className={styles.help}
                            aria-label={`About ${text}`}
                          />
                        </Toggletip>
                      )}
                    </span>
                  </span>
                </th>
              )
            })}
            {action && (
              <th scope="col" className={cx(styles.tick, styles.action)}>
                <span className={styles.unseen}>{action.label}</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id} aria-selected={onSelect && selected?.has(row.id)}>
              {onSelect && (
                <td className={styles.tick}>
                  <Checkbox
                    aria-label={`Select ${nameOf(row)}`}
                    value={selected?.has(row.id) ?? false}
                    onChange={(event) => toggle([row.id], event.currentTarget.checked)}
                  />
                </td>
              )}
              {columns.map(({ name, cell }) => (
                <td key={name}>{cell(row)}</td>
              ))}
              {action && <td className={styles.action}>{action.of(row)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const layer = (color: string) => `linear-gradient(${color}, ${color})`

const getStyles = (theme: GrafanaTheme2) => ({
  scroll: css({ overflowX: 'auto' }),
  table: css({
    width: '100%',
    th: {
      textAlign: 'left',
      fontWeight: theme.typography.fontWeightMedium,
      color: theme.colors.text.secondary,
    },
    'th, td': {
      padding: theme.spacing(0.75, 1),
      borderBottom: `1px solid ${theme.colors.border.weak}`,
      verticalAlign: 'middle',
    },
    'tbody tr:hover': { background: theme.colors.action.hover },
    'tbody tr[aria-selected="true"]': { background: theme.colors.action.selected },
  }),
  unseen: css({ position: 'absolute', width: 1, height: 1, overflow: 'hidden', clipPath: 'inset(50%)' }),
  // Stays visible however wide the table is: opaque, with the row's own colour on top.
  action: css({
    position: 'sticky',
    right: 0,
    // what goes on below it fades out, no wider than the padding of a cell
    '&::before': {
      content: '""',
      position: 'absolute',
      top: 0,
      bottom: 0,
      left: theme.spacing(-1),
      width: theme.spacing(1),
      pointerEvents: 'none',
      background: `linear-gradient(to right, transparent, ${theme.colors.background.primary})`,
    },
    backgroundColor: theme.colors.background.primary,
    'tbody tr:hover &::before, tbody tr[aria-selected="true"] &::before': { display: 'none' },
    'tbody tr:hover &': { backgroundImage: layer(theme.colors.action.hover) },
    'tbody tr[aria-selected="true"] &': { backgroundImage: layer(theme.colors.action.selected) },
  }),
  tick: css({ width: theme.spacing(5) }),
  // a header breaks between its words, and its help stays on the line of the last
  end: css({ whiteSpace: 'nowrap' }),
  // one that sorts stays whole, with its arrow
  whole: css({ whiteSpace: 'nowrap' }),
  help: css({ marginLeft: theme.spacing(0.5), verticalAlign: 'middle' }),
  sort: css({
    background: 'none',
    border: 'none',
    padding: 0,
    font: 'inherit',
    color: 'inherit',
    '&:hover': { color: theme.colors.text.primary },
  }),
})
