import { css } from '@emotion/css'
import type { GrafanaTheme2 } from '@grafana/data'
import { ClipboardButton, CollapsableSection, LinkButton, ScrollContainer, Stack, useStyles2 } from '@grafana/ui'
import React from 'react'
import type { Call } from '../../../../worker/api/internal/schemas.ts'
import { around, logsUrl, traceUrl } from '../../components/explore.ts'
import { Section } from '../../components/Section.tsx'
import { absolute, duration } from '../../components/Time.tsx'

/** Each call with what was asked and what came back, the newest first. */
export function Calls({ calls }: { calls: readonly Call[] }) {
  return (
    <Section title="Calls to the Shop">
      {calls.length === 0 && <p>Nothing has been sent yet.</p>}
      {calls.toReversed().map((call, place) => (
        <CollapsableSection key={call.requestId} isOpen={place === 0} label={summary(call)}>
          <Links call={call} />
          <Body title="Request" text={call.request} />
          <Body title="Raw response" text={call.response} />
          {call.callback && (
            <Body title={`Callback of ${call.callbackAt ? absolute(call.callbackAt) : 'unknown time'}`} text={call.callback} />
          )}
        </CollapsableSection>
      ))}
    </Section>
  )
}

/** From the call into its trace and its lines. */
function Links({ call: { traceId, callbackTraceId, requestId, sentAt, answeredAt, callbackAt } }: { call: Call }) {
  const range = around(sentAt, callbackAt ?? answeredAt)
  const traces = [
    ['Trace', traceId],
    ['Trace of the callback', callbackTraceId],
  ] as const
  return (
    <Stack gap={1}>
      {traces.map(
        ([name, id]) =>
          id && (
            <LinkButton key={name} size="sm" variant="secondary" fill="text" icon="gf-traces" href={traceUrl(id, range)}>
              {name}
            </LinkButton>
          ),
      )}
      <LinkButton
        size="sm"
        variant="secondary"
        fill="text"
        icon="gf-logs"
        href={logsUrl(`| request_id="${requestId}"`, { 'var-request': requestId }, range)}
      >
        Log lines
      </LinkButton>
    </Stack>
  )
}

const summary = ({ method, requestId, flow, sentAt, milliseconds, httpStatus, outcome }: Call): string =>
  `${absolute(sentAt)} · ${method} · request ${requestId} · ${flow} · ${
    outcome === null
      ? 'no answer yet'
      : `${httpStatus === null ? '' : `HTTP ${httpStatus}, `}${outcome} after ${duration((milliseconds ?? 0) / 1000)}`
  }`

/** JSON so that it can be read; anything else as it came. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text // what is no JSON is just what somebody looks for here
  }
}

function Body({ title, text }: { title: string; text: string | null }) {
  const styles = useStyles2(getStyles)
  return (
    <div className={styles.body}>
      <div className={styles.head}>
        <strong>{title}</strong>
        {text !== null && (
          <ClipboardButton icon="copy" size="sm" variant="secondary" fill="text" getText={() => text}>
            Copy
          </ClipboardButton>
        )}
      </div>
      {text === null ? (
        <p>None came.</p>
      ) : (
        <ScrollContainer maxHeight="400px">
          <pre>{pretty(text)}</pre>
        </ScrollContainer>
      )}
    </div>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  body: css({ marginBottom: theme.spacing(2) }),
  head: css({ display: 'flex', justifyContent: 'space-between', alignItems: 'center' }),
})
