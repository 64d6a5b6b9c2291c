import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { ClipboardButton, Stack, useStyles2 } from '@grafana/ui'
import React, { type ReactNode } from 'react'

/** What the seller is told, to be copied; with what else belongs to it. */
export function SellerAnswer({ text, children }: { text: string; children?: ReactNode }) {
  const styles = useStyles2(getStyles)
  return (
    <section aria-label="Answer for the seller" className={styles.answer}>
      <Stack justifyContent="space-between" alignItems="flex-start" gap={2}>
        <p data-testid="seller-answer">{text}</p>
        <ClipboardButton icon="copy" variant="secondary" getText={() => text}>
          Copy the answer
        </ClipboardButton>
      </Stack>
      {children && <div className={styles.below}>{children}</div>}
    </section>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  answer: css({
    padding: theme.spacing(2),
    background: theme.colors.background.secondary,
    borderLeft: `${theme.spacing(0.5)} solid ${theme.colors.primary.main}`,
    fontSize: theme.typography.h5.fontSize,
    p: { marginBottom: 0 },
  }),
  below: css({ marginTop: theme.spacing(1.5) }),
})
