import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { locationUtil } from '@grafana/data'
import { locationService } from '@grafana/runtime'
import { useStyles2 } from '@grafana/ui'
import React, { type MouseEvent, type ReactNode } from 'react'

/** A link within Grafana: works in a new tab and under a sub path, without reloading the page. */
export function Link({
  to,
  children,
  label,
  inText = false,
}: {
  to: string
  children: ReactNode
  label?: string
  inText?: boolean
}) {
  const styles = useStyles2(getStyles)
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    locationService.push(to)
  }
  return (
    <a
      className={inText ? styles.inText : styles.link}
      href={locationUtil.assureBaseUrl(to)}
      onClick={follow}
      aria-label={label}
    >
      {children}
    </a>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  link: css({ color: theme.colors.text.link, '&:hover': { textDecoration: 'underline' } }),
  inText: css({ color: theme.colors.text.link, textDecoration: 'underline' }), // never by colour alone
})
