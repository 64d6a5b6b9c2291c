import assert from 'node:assert/strict'
import { SEARCH, SEARCH_BESIDE } from '../../provisioning/dashboards/logs.ts'
import { STATUS_NAMES, STATUSES, type Status } from '../../worker/domain/statuses.ts'
import { asker, OURS, type Span } from './ask.ts'
import { type Item, lastCall, ODD_SKUS, ORDER_ITEM_ID, SKU, type Story, shopUpdate } from './drive.ts'
import { PARTS, SECRETS, type Stack } from './parts.ts'
import { type Report, until } from './report.ts'

const LABELS = new Map<string, Status>(STATUS_NAMES.map((status) => [STATUSES[status].label, status]))

const counted = (
  rows: { labels: Record<string, string>; value: number }[],
  ...names: string[]
): Record<string, number> =>
  Object.fromEntries(
    rows.map(({ labels, value }) => [names.map((name) => labels[name] ?? 'none').join(' -> '), value]).toSorted(),
  )

export async function askPrometheus(report: Report, stack: Stack): Promise<void> {
  const { metrics } = asker(stack)
  const { sql } = stack.app
  const { api } = shopUpdate(stack.app)
  const ours = '{service_name="shop-update", venture="zalora", source="eg/staging"}'
  const sum = async (expression: string) => (await metrics(`sum(${expression})`))[0]?.value ?? 0
  const needs = ['otelcol', 'prometheus'] as const

  await report.check(
    'Prometheus: shop_update_transitions_total has every step that the history has, as often',
    needs,
    async () => {
      const rows = await sql<{ from: string; to: string; n: number }[]>`
      select coalesce(from_status::text, 'none') as from, to_status::text as to, count(*)::int as n
      from shop_update.transition group by 1, 2`
      const expected = Object.fromEntries(rows.map(({ from, to, n }) => [`${from} -> ${to}`, n]).toSorted())
      assert.deepEqual(
        counted(await metrics(`sum by (from, to) (shop_update_transitions_total${ours})`), 'from', 'to'),
        expected,
      )
      return `${rows.length} kinds of steps, ${rows.reduce((total, { n }) => total + n, 0)} in all`
    },
  )
  await report.check('Prometheus: shop_update_queue_items is what the queue holds', needs, async () => {
    const { byStatus } = await api<{ byStatus: { status: Status; count: number }[] }>('/api/summary')
    const expected = Object.fromEntries(
      byStatus
        .filter(({ count }) => count > 0)
        .map(({ status, count }) => [status, count])
        .toSorted(),
    )
    assert.deepEqual(counted(await metrics(`sum by (status) (shop_update_queue_items${ours}) > 0`), 'status'), expected)
    return JSON.stringify(expected)
  })
  await report.check('Prometheus: shop_update_queue_oldest_age_seconds of Blocked', needs, async () => {
    assert.ok((await sum('shop_update_queue_oldest_age_seconds{status="blocked"}')) > 0, 'it is 0')
  })
  await report.check(
    'Prometheus: shop_update_calls_total and shop_update_call_duration_seconds have every call, by outcome',
    needs,
    async () => {
      const rows = await sql<{ method: string; outcome: string; n: number }[]>`
      select method, outcome::text as outcome, count(*)::int as n from shop_update.call
      where outcome is not null group by 1, 2`
      const expected = Object.fromEntries(
        rows.map(({ method, outcome, n }) => [`${method} -> ${outcome}`, n]).toSorted(),
      )
      for (const name of ['shop_update_calls_total', 'shop_update_call_duration_seconds_count'])
        assert.deepEqual(
          counted(await metrics(`sum by (method, outcome) (${name}${ours})`), 'method', 'outcome'),
          expected,
          name,
        )
      return JSON.stringify(expected)
    },
  )
  await report.check('Prometheus: shop_update_time_to_sync_seconds has every item that is Synced', needs, async () => {
    const [row] = await sql<
      { n: number }[]
    >`select count(*)::int as n from shop_update.transition where to_status = 'synced'`
    assert.equal(await sum(`shop_update_time_to_sync_seconds_count${ours}`), row!.n)
    return `${row!.n}`
  })
  await report.check(
    'Prometheus: shop_update_status_duration_seconds of every status that an item left',
    needs,
    async () => {
      const seen = counted(
        await metrics(`sum by (status) (shop_update_status_duration_seconds_count${ours})`),
        'status',
      )
      assert.deepEqual(Object.keys(seen), STATUS_NAMES.filter((status) => status !== 'synced').toSorted())
    },
  )
  for (const [name, least] of [
    ['shop_update_callbacks_total{outcome="accepted"}', 1],
    ['shop_update_requeues_total', 1],
    ['shop_update_kpi_synced_ratio{window="24h"}', 0.1],
  ] as const) {
    await report.check(`Prometheus: ${name}`, needs, async () => {
      const value = await sum(name)
      assert.ok(value >= least, `it is ${value}`)
      return `${value}`
    })
  }
  await report.check('Prometheus: shop_update_overdue_items', needs, async () => {
    assert.equal((await metrics('sum(shop_update_overdue_items)')).length, 1, 'there is no such series')
  })
  await report.check(
    'Prometheus: shop_update_worker_heartbeat_seconds is of this minute, and its resource names the worker',
    needs,
    async () => {
      const [heartbeat] = await metrics(`shop_update_worker_heartbeat_seconds${ours}`)
      assert.ok(heartbeat && Math.abs(Date.now() / 1000 - heartbeat.value) < 60, `it is ${heartbeat?.value}`)
      assert.ok(heartbeat.labels.instance, 'there is no instance')
      assert.equal(heartbeat.labels.deployment_environment_name, 'staging')
    },
  )
  await report.check('Prometheus: an exemplar leads to a trace', [...needs, 'tempo'], async () => {
    const now = Date.now() / 1000
    const query = new URLSearchParams({
      query: 'traces_spanmetrics_latency_bucket',
      start: `${now - 3600}`,
      end: `${now}`,
    })
    const found = await asker(stack).json<{ data: { exemplars: { labels: Record<string, string> }[] }[] }>(
      'prometheus',
      `/api/v1/query_exemplars?${query}`,
    )
    const [exemplar] = found.data.flatMap(({ exemplars }) => exemplars)
    const traceId = exemplar?.labels.traceID ?? exemplar?.labels.trace_id
    assert.ok(traceId, 'there is none')
    assert.ok((await asker(stack).trace(traceId)).length > 0)
  })
  await report.check('Prometheus: span metrics and the service graph of Tempo', [...needs, 'tempo'], async () => {
    const spans = await sum('traces_spanmetrics_calls_total{service="shop-update", venture="zalora"}')
    assert.ok(spans > 0, 'there are none')
    return `${spans} spans`
  })
  await report.check('Prometheus: scrapes every part that runs', ['prometheus'], async () => {
    const up = counted(await metrics('up'), 'job')
    for (const part of PARTS)
      if (part !== 'nginx' && !stack.missing.has(part)) assert.equal(up[part], 1, `${part} is ${up[part]}`)
  })
  await report.check(
    'Prometheus: the collector has passed on all that it took, and refused nothing',
    [...needs, 'loki', 'tempo'],
    async () => {
      const told: string[] = []
      for (const kind of ['spans', 'log_records', 'metric_points']) {
        const [taken, sent, failed] = [
          await sum(`otelcol_receiver_accepted_${kind}`),
          await sum(`otelcol_exporter_sent_${kind}`),
          await sum(`{__name__=~"otelcol_(exporter_send_failed|exporter_enqueue_failed|receiver_refused)_${kind}"}`),
        ]
        assert.ok(taken > 0, `no ${kind} were taken`)
        assert.equal(failed, 0, `${failed} ${kind} failed`)
        if (kind !== 'metric_points') assert.equal(sent, taken, `${sent} of ${taken} ${kind} were sent`)
        told.push(`${sent} ${kind}`)
      }
      return told.join(', ')
    },
  )
}

export async function askLoki(
  report: Report,
  stack: Stack,
  { synchronous, asynchronous }: Story,
  orderLines: number,
): Promise<void> {
  const { lines, json } = asker(stack)
  const needs = ['otelcol', 'loki'] as const
  const create = lastCall(synchronous)
  const later = lastCall(asynchronous)
  const only = (found: { text: string }[], what: RegExp) => {
    assert.equal(found.length, 1, `${found.length} lines: ${found.map(({ text }) => text.slice(0, 100)).join('\n')}`)
    assert.match(found[0]!.text, what)
  }

  await report.check(`Loki: by SKU: ${OURS} |= "${SKU}"`, needs, async () => {
    const found = await lines(`${OURS} |= "${SKU}"`)
    for (const word of [
      'Product.createProducts',
      'RawResponse',
      'Status processing -> building_payload',
      'Status response_processing -> synced',
    ])
      assert.ok(
        found.some(({ text }) => text.includes(word)),
        `no line has ${word}`,
      )
    return `${found.length} lines`
  })
  for (const sku of ODD_SKUS)
    await report.check(
      `Loki: ${sku}, which is spelled otherwise in JSON, by the searches of the dashboard`,
      needs,
      async () => {
        const regex = sku.replace(/[\\^$*+?.()|[\]{}/]/g, '\\$&') // Grafana's format `regex`
        const asked = (query: string) =>
          query
            .replaceAll('$venture', '.+')
            .replaceAll('$source', '.+')
            .replaceAll(/\$\{sku:regex\}/g, () => regex)
            .replaceAll(/\$\{\w+:regex\}/g, '')
            .replaceAll(/\$(call|lines)/g, '^')
        const inLine = await lines(asked(SEARCH))
        const beside = await lines(asked(SEARCH_BESIDE))
        for (const word of ['Product.createProducts', 'RawResponse', 'Status']) {
          const [found, rest] = [inLine, beside].map((some) => some.filter(({ text }) => text.startsWith(word)))
          assert.ok(found!.length + rest!.length > 0, `no line has ${word}`)
          for (const { text } of found!) assert.ok(text.includes(sku), text)
          for (const { text } of rest!) assert.ok(!text.includes(sku), text)
        }
        assert.ok(
          beside.some(({ text }) => text.startsWith('RawResponse')),
          'the answer spells it as it is',
        )
        return `${inLine.length} and ${beside.length} lines`
      },
    )
  await report.check(`Loki: by method and SKU: ${OURS} |= "${SKU}" |= "Product.createProducts"`, needs, async () => {
    only(
      await lines(`${OURS} |= "${SKU}" |= "Product.createProducts"`),
      new RegExp(`^Product\\.createProducts [[{].*[\\]}] ${create.requestId}$`, 's'),
    )
  })
  await report.check(
    `Loki: by request ID and RawResponse: ${OURS} |= "${create.requestId}" |= "RawResponse"`,
    needs,
    async () => {
      only(
        await lines(`${OURS} |= "${create.requestId}" |= "RawResponse"`),
        new RegExp(`^RawResponse ${create.requestId} 200 [[{]`),
      )
    },
  )
  await report.check(
    `Loki: by request ID of a callback: ${OURS} |= "${later.requestId}" |= "Callback.process"`,
    needs,
    async () => {
      only(
        await lines(`${OURS} |= "${later.requestId}" |= "Callback.process"`),
        new RegExp(`^Callback\\.process ${later.requestId} [[{]`),
      )
    },
  )
  await report.check(
    `Loki: by OMS order item id and call, sent and from files: ${OURS} |= "${ORDER_ITEM_ID}" |= "order_call"`,
    needs,
    async () => {
      const found = await lines(`${OURS} |= "${ORDER_ITEM_ID}" |= "order_call"`)
      assert.equal(found.length, orderLines, `${found.length} lines`)
      for (const { fields } of found) assert.equal(fields.service_name, 'oms')
      return `${found.length} lines`
    },
  )
  for (const [flow, item] of [
    ['synchronous', synchronous],
    ['asynchronous', asynchronous],
  ] as const) {
    await report.check(`Loki: the status changes of an item, ${flow} flow, in the history's order`, needs, async () => {
      const found = await lines(`{service_name="shop-update"} |= "Status " | item_id = "${item.id}"`)
      let before = 0n // steps of the same moment have no order
      for (const { from, to } of item.transitions) {
        const step = found.filter(({ text }) => text.startsWith(`Status ${from ?? 'none'} -> ${to} `))
        assert.equal(step.length, 1, `${step.length} lines tell ${from} -> ${to}`)
        assert.ok(step[0]!.at >= before, `${from} -> ${to} comes before the step that led to it`)
        before = step[0]!.at
      }
      assert.equal(found.length, item.transitions.length)
      return `${found.length} steps`
    })
  }
  await report.check('Loki: index labels are service_name, venture and source, and nothing else', needs, async () => {
    const { data } = await json<{ data: string[] }>('loki', '/loki/api/v1/labels')
    assert.deepEqual(data.toSorted(), ['service_name', 'source', 'venture'])
  })
  await report.check('Loki: a query over 90 days is allowed', needs, async () => {
    const found = await lines(`${OURS} |= "${SKU}" |= "Product.createProducts"`, 90.5)
    assert.equal(found.length, 1)
  })
  await report.check('Loki: no secret in any line', needs, async () => {
    const secrets = Object.values(SECRETS)
    for (const secret of secrets) assert.deepEqual(await lines(`{service_name=~".+"} |= "${secret}"`), [])
    return `${secrets.length} searched for in ${(await lines('{service_name="shop-update"}')).length} lines`
  })
}

export async function askTempo(
  report: Report,
  stack: Stack,
  { synchronous, asynchronous, failed }: Story,
): Promise<void> {
  const { trace, lines } = asker(stack)
  const needs = ['otelcol', 'tempo'] as const
  const statuses = (spans: Span[], parent: Span) =>
    spans
      .filter(({ name, parentId }) => parentId === parent.id && LABELS.has(name))
      .map(({ name }) => LABELS.get(name)!)
  const rootOf = (spans: Span[], name: string) => {
    const root = spans.find(({ parentId }) => parentId === '')
    assert.equal(root?.name, name, `the root is ${root?.name}`)
    return root
  }
  const labels = (list: Status[]) => list.map((status) => STATUSES[status].label)
  const attempt = (item: Item) => {
    const { traceId } = lastCall(item)
    assert.ok(traceId, 'the call has no trace id')
    return trace(traceId)
  }
  const sent: Status[] = ['pending', 'processing', 'building_payload', 'made_request']
  const answered: Status[] = ['got_response', 'building_response_payload', 'response_processing', 'synced']

  for (const [flow, item, expected] of [
    ['synchronous', synchronous, [...sent, ...answered]],
    ['asynchronous', asynchronous, [...sent, 'got_acknowledgment']],
  ] as const) {
    await report.check(
      `Tempo: the trace of an attempt, ${flow} flow, has the statuses of the requirements in order`,
      needs,
      async () => {
        const spans = await attempt(item)
        const root = rootOf(spans, 'process shop_update')
        assert.equal(root.kind, 'CONSUMER')
        assert.deepEqual(labels(statuses(spans, root)), labels([...expected]))
        return `${labels([...expected]).join(', ')}; ${spans.length} spans`
      },
    )
    await report.check(`Tempo: the Shop call's span, ${flow} flow`, needs, async () => {
      const call = (await attempt(item)).find(({ name }) => name === 'Product.createProducts')
      assert.ok(call, 'there is none')
      assert.equal(call.kind, 'CLIENT')
      assert.equal(call.attributes['rpc.method'], 'Product.createProducts')
      assert.equal(call.attributes['jsonrpc.request.id'], lastCall(item).requestId)
    })
  }
  await report.check(
    'Tempo: a callback starts its own trace, linked to the attempt it answers',
    [...needs, 'loki'],
    async () => {
      const { requestId, traceId } = lastCall(asynchronous)
      const [line] = await lines(`${OURS} |= "${requestId}" |= "Callback.process"`)
      const spans = await trace(line?.fields.trace_id ?? '')
      const root = rootOf(spans, 'POST /shop-update/')
      assert.equal(root.kind, 'SERVER')
      const processed = spans.find(({ name }) => name === 'process shop_update_callback')
      assert.ok(processed, 'it has no span process shop_update_callback')
      assert.equal(processed.parentId, root.id)
      assert.ok(processed.linkedTraceIds.includes(traceId!), `its links: ${processed.linkedTraceIds}`)
      assert.deepEqual(labels(statuses(spans, processed)).slice(-answered.length), labels(answered))
    },
  )
  await report.check('Tempo: a failed attempt says so, and each one links to the one before', needs, async () => {
    const traceIds = failed.calls
      .toSorted((one, other) => Number(BigInt(one.requestId) - BigInt(other.requestId)))
      .map(({ traceId }) => traceId!)
    assert.equal(new Set(traceIds).size, 3, `${traceIds.length} calls`)
    const roots = await Promise.all(
      traceIds.map(async (traceId) => rootOf(await trace(traceId), 'process shop_update')),
    )
    assert.deepEqual(
      roots.map((root) => root.failed),
      [true, true, false],
    )
    assert.ok(roots[0]!.attributes['error.type'], 'error.type is missing')
    for (const [place, root] of roots.entries())
      if (place > 0)
        assert.ok(
          root.linkedTraceIds.includes(traceIds[place - 1]!),
          `attempt ${place + 1} links to ${root.linkedTraceIds}`,
        )
    return `error.type ${roots[0]!.attributes['error.type']}`
  })
  await report.check('Tempo: no secret on any span', needs, async () => {
    const rows = await stack.app.sql<
      { traceId: string }[]
    >`select trace_id as "traceId" from shop_update.call where trace_id is not null`
    const told = JSON.stringify(await Promise.all(rows.map(({ traceId }) => trace(traceId))), (_, value) =>
      typeof value === 'bigint' ? `${value}` : value,
    )
    for (const secret of Object.values(SECRETS)) assert.ok(!told.includes(secret), `${secret} is told`)
    assert.ok(rows.length > 0)
    return `${rows.length} traces`
  })
  await report.check(
    'Tempo and Loki: from a trace to its lines, and from a line back to the trace',
    [...needs, 'loki'],
    async () => {
      const { traceId, requestId } = lastCall(synchronous)
      const [line] = await lines(`${OURS} |= "${SKU}" |= "Product.createProducts"`)
      assert.equal(line?.fields.trace_id, traceId)
      const found = await lines(`{service_name="shop-update"} | trace_id = "${traceId}"`)
      for (const word of ['Product.createProducts', `RawResponse ${requestId}`, '-> synced'])
        assert.ok(
          found.some(({ text }) => text.includes(word)),
          `no line has ${word}`,
        )
      assert.ok(
        (await trace(traceId!)).some(({ id }) => id === line.fields.span_id),
        'the line names a span that the trace does not have',
      )
      return `${found.length} lines`
    },
  )
}

export async function askGrafana(report: Report, stack: Stack, { synchronous, failed }: Story): Promise<void> {
  const { grafana, dataSource, metrics, lines } = asker(stack)
  const { sql } = stack.app
  const call = lastCall(synchronous)

  for (const [uid, needs] of [
    ['shop-update-prometheus', ['grafana', 'prometheus']],
    ['shop-update-loki', ['grafana', 'loki']],
    ['shop-update-postgres', ['grafana']],
  ] as const) {
    await report.check(`Grafana: ${uid} is healthy`, needs, async () => {
      const { status, message } = await grafana<{ status: string; message: string }>(
        `/api/datasources/uid/${uid}/health`,
      )
      assert.equal(status, 'OK', message)
      return message
    })
  }
  await report.check(
    'Grafana: its own key without its signature is not enough for the worker',
    ['grafana'],
    async () => {
      const response = await fetch(`${stack.app.internalUrl}/api/summary`, {
        headers: { authorization: `Bearer ${SECRETS.adminApiKey}` },
      })
      assert.equal(response.status, 401)
      assert.match(await response.text(), /X-Grafana-Id token is missing/)
    },
  )
  await report.check('Grafana: who requeued is whom it signed for', ['grafana'], async () => {
    const by = failed.transitions.find(({ reason }) => reason === 'requeued')?.actor
    assert.equal(by, 'admin')
  })
  await report.check('Grafana: shop-update-tempo reaches Tempo', ['grafana', 'tempo'], async () => {
    // In 12.2 the data source has no health check on the server.
    await grafana('/api/datasources/proxy/uid/shop-update-tempo/api/status/buildinfo')
  })
  await report.check(
    'Grafana: shop-update-prometheus answers as Prometheus does',
    ['grafana', 'otelcol', 'prometheus'],
    async () => {
      const expr = 'sum(shop_update_transitions_total{to="synced"})'
      const frame = await dataSource('shop-update-prometheus', { expr, instant: true, range: false })
      const [direct] = await metrics(expr)
      assert.ok(direct && direct.value > 0, 'Prometheus has nothing')
      assert.equal(frame.data.values.at(-1)?.[0], direct.value)
      return `${direct.value}`
    },
  )
  await report.check('Grafana: shop-update-loki answers as Loki does', ['grafana', 'otelcol', 'loki'], async () => {
    const expr = `${OURS} |= "${call.requestId}" |= "RawResponse"`
    const frame = await dataSource('shop-update-loki', { expr, queryType: 'range', maxLines: 100 })
    const at = frame.schema.fields.findIndex(({ name }) => name === 'Line')
    assert.deepEqual(
      frame.data.values[at],
      (await lines(expr)).map(({ text }) => text),
    )
    assert.equal(frame.data.values[at]?.length, 1)
  })
  await report.check(
    'Grafana: shop-update-tempo finds the trace of the call',
    ['grafana', 'otelcol', 'tempo'],
    async () => {
      const frame = await dataSource('shop-update-tempo', { query: call.traceId, queryType: 'traceId' })
      const at = frame.schema.fields.findIndex(({ name }) => name === 'operationName')
      assert.ok(frame.data.values[at]?.includes('Product.createProducts'), JSON.stringify(frame.data.values[at]))
      return `${frame.data.values[at]?.length} spans`
    },
  )
  const ask = (rawSql: string) => dataSource('shop-update-postgres', { rawSql, format: 'table', rawQuery: true })
  await report.check('Grafana: shop-update-postgres reads the queue', ['grafana'], async () => {
    const [row] = await sql<{ n: number }[]>`select count(*)::int as n from shop_update.queue`
    assert.equal((await ask('select count(*)::int as n from shop_update.queue')).data.values[0]?.[0], row!.n)
    return `${row!.n} items`
  })
  await report.check('Grafana: shop-update-postgres reads no credentials and writes nothing', ['grafana'], async () => {
    await assert.rejects(ask('select * from shop_update.system_credential'), /permission denied/)
    await assert.rejects(
      ask(`update catalog.product set price = 0 returning id`),
      /read-only transaction|permission denied/,
    )
    await assert.rejects(
      ask(`begin; set transaction read write; update catalog.product set price = 0; commit`),
      /permission denied/,
    )
  })
  await report.check(
    'Grafana: a query that fails in a transaction of its own spoils no other for long',
    ['grafana'],
    async () => {
      await assert.rejects(ask('begin; select 1 / 0'), /division by zero|is aborted/)
      await until(Date.now() + 5000, () => ask('select 1'))
    },
  )
  await report.check(
    'Grafana: links lead from a line to its trace and item, a trace to its lines and metrics, a metric to its trace',
    ['grafana'],
    async () => {
      const sources = await grafana<{ uid: string; jsonData: never }[]>('/api/datasources')
      const settings = Object.fromEntries(sources.map(({ uid, jsonData }) => [uid, jsonData])) as Record<
        string,
        Record<string, never>
      >
      const { derivedFields } = settings['shop-update-loki'] as unknown as {
        derivedFields: { matcherRegex: string; url: string; datasourceUid?: string }[]
      }
      assert.deepEqual(
        derivedFields.map(({ matcherRegex, url, datasourceUid }) => [matcherRegex, url, datasourceUid]),
        [
          ['trace_id', `\${__value.raw}`, 'shop-update-tempo'],
          ['trace_id', `/d/shop-update-logs?viewPanel=panel-5&var-trace=\${__value.raw}`, undefined],
          ['item_id', `/a/sellercenter-shopupdate-app/items/\${__value.raw}`, undefined],
        ],
      )
      const tempo = settings['shop-update-tempo'] as unknown as {
        tracesToLogsV2: { datasourceUid: string; query: string }
        tracesToMetrics: { datasourceUid: string }
      }
      assert.equal(tempo.tracesToLogsV2.datasourceUid, 'shop-update-loki')
      assert.equal(tempo.tracesToLogsV2.query, `{service_name="shop-update"} | trace_id = "\${__trace.traceId}"`)
      assert.equal(tempo.tracesToMetrics.datasourceUid, 'shop-update-prometheus')
      const prometheus = settings['shop-update-prometheus'] as unknown as {
        exemplarTraceIdDestinations: { datasourceUid: string }[]
      }
      for (const { datasourceUid } of prometheus.exemplarTraceIdDestinations)
        assert.equal(datasourceUid, 'shop-update-tempo')
    },
  )
}
