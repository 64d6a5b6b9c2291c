import { css } from '@emotion/css'
import { type GrafanaTheme2, locationUtil } from '@grafana/data'
import {
  Button,
  ClipboardButton,
  CollapsableSection,
  LinkButton,
  ScrollContainer,
  Stack,
  useStyles2,
} from '@grafana/ui'
import React, { useState } from 'react'
import type { BodyPart, Call } from '../../../../worker/api/internal/schemas.ts'
import { bodyUrl, readBody } from '../../api/items.ts'
import { around, logsUrl, traceUrl } from '../../components/explore.ts'
import { Section } from '../../components/Section.tsx'
import { absolute, duration } from '../../components/Time.tsx'

/** Each call with its request and answer, newest first. */
export function Calls({ itemId, calls }: { itemId: string; calls: readonly Call[] }) {
  return (
    <Section title="Calls to the Shop">
      {calls.length === 0 && <p>Nothing has been sent yet.</p>}
      {calls.toReversed().map((call, place) => (
        <CollapsableSection key={call.requestId} isOpen={place === 0} label={summary(call)}>
          <Links call={call} />
          <Body title="Request" of={{ itemId, call }} part="request" />
          <Body title="Raw response" of={{ itemId, call }} part="response" />
          {call.callback && (
            <Body
              title={`Callback of ${call.callbackAt ? absolute(call.callbackAt) : 'unknown time'}`}
              of={{ itemId, call }}
              part="callback"
            />
          )}
        </CollapsableSection>
      ))}
    </Section>
  )
}

/** Links from the call to its trace and its log lines. */
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
            <LinkButton
              key={name}
              size="sm"
              variant="secondary"
              fill="text"
              icon="gf-traces"
              href={traceUrl(id, range)}
            >
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

/** Formats JSON; anything else stays as it came. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text // text that is not JSON is just what an admin is looking for here
  }
}

/** More than this on one page slows down any browser; it can still be downloaded. */
const MOST_SHOWN = 1024 * 1024

const size = (bytes: number): string =>
  bytes < 1024 * 1024
    ? `${Math.ceil(bytes / 1024)} KiB`
    : `${(bytes / 1024 / 1024).toLocaleString('en', { maximumFractionDigits: 1 })} MiB`

/** The beginning of a body, which came with the item; on demand the whole. */
function Body({
  title,
  of: { itemId, call },
  part,
}: {
  title: string
  of: { itemId: string; call: Call }
  part: BodyPart
}) {
  const styles = useStyles2(getStyles)
  const [whole, setWhole] = useState<string | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const [isLoading, setLoading] = useState(false)
  const text = whole ?? call[part]
  const bytes = call[`${part}Bytes`] ?? 0
  const isCut = whole === null && call[part] !== null && new Blob([call[part]]).size < bytes

  async function showAll() {
    setLoading(true)
    setProblem(null)
    try {
      setWhole(await readBody(itemId, call.requestId, part))
    } catch (error) {
      setProblem((error as Error).message)
    } finally {
      setLoading(false)
    }
  }

  return (
    <div className={styles.body}>
      <div className={styles.head}>
        <strong>{title}</strong>
        {text !== null && (
          <Stack gap={1}>
            {isCut && bytes <= MOST_SHOWN && (
              <Button size="sm" variant="secondary" fill="text" disabled={isLoading} onClick={() => void showAll()}>
                Show all ({size(bytes)})
              </Button>
            )}
            {isCut && (
              <LinkButton
                size="sm"
                variant="secondary"
                fill="text"
                icon="download-alt"
                href={locationUtil.assureBaseUrl(bodyUrl(itemId, call.requestId, part))}
                download={`${part}-${call.requestId}.txt`}
                target="_self" // otherwise Grafana would take it for one of its own pages
              >
                Download ({size(bytes)})
              </LinkButton>
            )}
            {!isCut && (
              <ClipboardButton icon="copy" size="sm" variant="secondary" fill="text" getText={() => text}>
                Copy
              </ClipboardButton>
            )}
          </Stack>
        )}
      </div>
      {problem !== null && <p role="alert">{problem}</p>}
      {text === null ? (
        <p>None came.</p>
      ) : (
        <ScrollContainer maxHeight="400px">
          <pre>{isCut ? `${text}…` : pretty(text)}</pre>
        </ScrollContainer>
      )}
    </div>
  )
}

const getStyles = (theme: GrafanaTheme2) => ({
  body: css({ marginBottom: theme.spacing(2) }),
  head: css({ display: 'flex', justifyContent: 'space-between', alignItems: 'center' }),
})
