import { type DiagLogger, DiagLogLevel, diag, type Meter, metrics } from '@opentelemetry/api'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { convertLegacyHttpOptions, createOtlpHttpExportDelegate } from '@opentelemetry/otlp-exporter-base/node-http'
import { ProtobufLogsSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer'
import { detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  InstrumentType,
  MeterProvider,
  type MetricProducer,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { NodeSDK } from '@opentelemetry/sdk-node'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { within } from '../within.ts'
import { type Batches, type BatchesOptions, createBatches, LOSS_REASONS, type LossReason } from './batches.ts'
import { encodeRequest, encodeResource, encodeScope } from './encode.ts'
import { createTallies, type Tallies } from './tallies.ts'

export interface Pipelines {
  meter: Meter
  /**
   * For values about the whole queue. It does not carry the worker's name, so that series continue when another worker
   * leads.
   */
  queueMeter: Meter
  tallies: Tallies
  /** Null when the signal is not exported. */
  span: ((encoded: Buffer) => void) | null
  line: ((encoded: Buffer) => void) | null
  /**
   * Exports the initial zeros of the counters. Only after that does an increase within the first interval show as one.
   * The SDK's diagnostics report a failed export.
   */
  begin(): Promise<void>
  /** Sends what is left, then the metrics, which include what was lost; each within `withinMs`. */
  stop(withinMs: number): Promise<void>
}

/**
 * Exports only gauges that were read for this very export. With cumulative temporality, as for everything else, the SDK
 * repeats a gauge that nobody has observed: a worker that no longer leads, or whose reading fails, would report its
 * last values for ever as if they were current.
 */
class GaugesAsRead extends OTLPMetricExporter {
  override selectAggregationTemporality(type: InstrumentType): AggregationTemporality {
    return type === InstrumentType.OBSERVABLE_GAUGE
      ? AggregationTemporality.DELTA
      : super.selectAggregationTemporality(type)
  }
}

/** The most memory for bodies in log lines: each may have 64 KiB. */
const MAX_QUEUE_BYTES = 128 * 1024 * 1024
/**
 * By default the collector takes 20 MiB per request. Smaller ones keep the event loop free (2,048 spans are 0.7 MB and
 * take 5 ms).
 */
const MAX_BATCH_BYTES = 4 * 1024 * 1024

/** The SDK, with the signals that have an endpoint. Without any, nothing is exported and nothing complains. */
export function startPipelines(config: Config, log: Logger): Pipelines {
  const source = `${config.COUNTRY}/${config.ENVIRONMENT}`
  const shared = {
    'service.name': 'shop-update',
    venture: config.VENTURE,
    source,
    'deployment.environment.name': config.ENVIRONMENT,
  }
  const given = detectResources({ detectors: [envDetector] }) // OTEL_RESOURCE_ATTRIBUTES; our own attributes win
  const resource = given.merge(resourceFromAttributes({ ...shared, 'service.instance.id': config.WORKER_NAME }))
  const exports = (signal: 'TRACES' | 'METRICS' | 'LOGS') =>
    config.OTEL_SDK_DISABLED === 'false' &&
    config[`OTEL_${signal}_EXPORTER`] === 'otlp' &&
    (config.OTEL_EXPORTER_OTLP_ENDPOINT ?? config[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`]) !== undefined

  const tallies = createTallies(exports('METRICS'))
  const reader = (exporter: OTLPMetricExporter, metricProducers: MetricProducer[] = []) =>
    new PeriodicExportingMetricReader({
      exporter,
      exportIntervalMillis: config.OTEL_METRIC_EXPORT_INTERVAL,
      metricProducers,
    })
  const readers = exports('METRICS') ? [reader(new OTLPMetricExporter(), [tallies])] : []
  const queueMetrics = new MeterProvider({
    resource: given.merge(resourceFromAttributes(shared)),
    readers: exports('METRICS') ? [reader(new GaugesAsRead())] : [],
  })
  const sdk = new NodeSDK({
    resource,
    // the detectors would put the command line, process owner and host on every line and series
    autoDetectResources: false,
    instrumentations: [],
    metricReaders: readers,
    // Spans and log records take a faster way: see encode.ts.
    spanProcessors: [],
    logRecordProcessors: [],
  })
  // The SDK's messages go to the worker's log.
  diag.setLogger(toLog(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
  sdk.start()
  const meter = metrics.getMeter('shop-update')

  const lastWords: (() => void)[] = []
  const encodedResource = encodeResource(resource.attributes as Record<string, string>)

  function start(pipeline: Pipeline): Batches | null {
    const { signal, kind, what, unit, name } = pipeline
    if (!exports(signal)) return null
    const maxQueueSize = config[`OTEL_${kind}_MAX_QUEUE_SIZE`]
    // The names are the SDK's own (semantic conventions for SDK metrics).
    const processed = tallies.counter({
      name: `otel.sdk.processor.${what}.processed`,
      unit,
      description: 'Taken by the receiver, or, with an error.type, lost',
      attributes: ['error.type'],
    })
    // the series must exist before the first loss: rate() needs it
    for (const reason of LOSS_REASONS) processed([reason], 0)
    const losses = lossReport(log, name)
    lastWords.push(losses.tell)
    const batches = createBatches({
      exporter: createExporter(pipeline, encodedResource),
      maxQueueSize,
      maxQueueBytes: MAX_QUEUE_BYTES,
      maxBatchSize: config[`OTEL_${kind}_MAX_EXPORT_BATCH_SIZE`],
      maxBatchBytes: MAX_BATCH_BYTES,
      delayMs: config[`OTEL_${kind}_SCHEDULE_DELAY`],
      onExported: (count) => processed([''], count),
      onLost(count, reason) {
        processed([reason], count)
        losses.note(count, reason)
      },
    })
    const gauge = (of: 'size' | 'capacity', value: () => number) =>
      meter
        .createObservableGauge(`otel.sdk.processor.${what}.queue.${of}`, { unit })
        .addCallback((result) => result.observe(value()))
    gauge('size', () => batches.size)
    gauge('capacity', () => maxQueueSize)
    return batches
  }

  const spans = start(PIPELINES.spans)
  const lines = start(PIPELINES.lines)
  return {
    meter,
    tallies,
    queueMeter: queueMetrics.getMeter('shop-update'),
    span: spans?.add ?? null,
    line: lines?.add ?? null,
    async begin() {
      await Promise.all(readers.map((each) => each.forceFlush()))
    },
    async stop(withinMs) {
      await Promise.all([spans?.close(withinMs), lines?.close(withinMs)])
      for (const tell of lastWords) tell()
      // The log has the exporter's failures; a receiver that hangs must not hold up the stop.
      await within(withinMs, Promise.allSettled([sdk.shutdown(), queueMetrics.shutdown()]))
    },
  }
}

const PIPELINES = {
  spans: {
    signal: 'TRACES',
    kind: 'BSP',
    what: 'span',
    unit: '{span}',
    name: 'Spans',
    path: 'v1/traces',
    rejected: (response: Uint8Array) =>
      ProtobufTraceSerializer.deserializeResponse(response).partialSuccess?.rejectedSpans,
  },
  lines: {
    signal: 'LOGS',
    kind: 'BLRP',
    what: 'log',
    unit: '{log_record}',
    name: 'Log records',
    path: 'v1/logs',
    rejected: (response: Uint8Array) =>
      ProtobufLogsSerializer.deserializeResponse(response).partialSuccess?.rejectedLogRecords,
  },
} as const
type Pipeline = (typeof PIPELINES)[keyof typeof PIPELINES]

const SCOPE = encodeScope('shop-update')

/**
 * The SDK's transport for entries that are already encoded; headers, certificates and retries come from
 * OTEL_EXPORTER_OTLP_*.
 */
function createExporter(
  { signal, what, path, rejected: rejectedIn }: Pipeline,
  resource: Buffer,
): BatchesOptions['exporter'] {
  let rejected = 0
  const delegate = createOtlpHttpExportDelegate<Buffer[], object>(
    convertLegacyHttpOptions({}, signal, path, { 'Content-Type': 'application/x-protobuf' }),
    {
      serializeRequest: (entries) => encodeRequest(resource, SCOPE, entries),
      deserializeResponse(data) {
        rejected = Number(rejectedIn(data) ?? 0)
        return {}
      },
    },
    `otlp_http_${what}_exporter`,
    { name: what, countItems: (entries) => entries.length },
    undefined,
  )
  return {
    export(entries, done) {
      delegate.export(entries, (result) => {
        done({ ...result, rejected })
        rejected = 0
      })
    },
  }
}

const TELL_EVERY_MS = 10_000

/** Logs losses: the first at once, then the number every ten seconds. */
function lossReport(log: Logger, what: string): { note(count: number, reason: LossReason): void; tell(): void } {
  const lost = new Map<LossReason, number>()
  let quiet = false
  function tell() {
    if (lost.size === 0) {
      quiet = false
      return
    }
    const counts = [...lost]
    lost.clear()
    // Set first: the line about the loss is itself a log record and may be lost too.
    quiet = true
    setTimeout(tell, TELL_EVERY_MS).unref()
    for (const [reason, count] of counts) log.error({ reason, count }, `${what} were lost: ${WHY[reason]}`)
  }
  return {
    note(count, reason) {
      lost.set(reason, (lost.get(reason) ?? 0) + count)
      if (!quiet) tell()
    },
    tell,
  }
}

const WHY: Record<LossReason, string> = {
  queue_full: 'the telemetry receiver is down or too slow, and the buffer is full; items are not affected',
  rejected: 'the telemetry receiver rejected them; items are not affected',
  shutdown: 'the telemetry receiver did not take them before this worker stopped; items are not affected',
}

/** While the receiver is down, every batch brings the same message: each is logged once in ten seconds. */
function toLog(log: Logger): DiagLogger {
  const loggedAt = new Map<string, number>()
  const logged =
    (level: 'warn' | 'error') =>
    (message: string, ...details: unknown[]) => {
      const now = performance.now()
      if (now - (loggedAt.get(message) ?? Number.NEGATIVE_INFINITY) < TELL_EVERY_MS) return
      if (loggedAt.size > 100) loggedAt.clear()
      loggedAt.set(message, now)
      log[level](
        { details: details.map((detail) => (detail instanceof Error ? detail.message : detail)) },
        `OpenTelemetry: ${message}`,
      )
    }
  return { error: logged('error'), warn: logged('warn'), info() {}, debug() {}, verbose() {} }
}
