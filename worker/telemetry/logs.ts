import { type Logger, pino } from 'pino'
import type { Config } from '../config.ts'
import type { Attributes } from './encode.ts'

export interface Logs {
  /** For the worker's own lines: to stdout at once, and to the collector. */
  log: Logger
  /** For lines about items: to stdout only, in batches. */
  items: Logger
  /** Where the lines of `log` go besides stdout; null: nowhere any more. */
  exportTo(line: ((level: 'info' | 'warn' | 'error', body: string, attributes: Attributes) => void) | null): void
}

/** The most characters to hold while nobody reads stdout. */
const MOST_WAITING = 32 * 1024 * 1024

/**
 * Two loggers on one stdout. Lines about items are batched for up to a tenth of a second (one write per line took 5
 * us); a line of the worker itself flushes them at once.
 */
export function createLogs({ LOG_LEVEL: level, LOG_ITEMS, VENTURE: venture, COUNTRY, ENVIRONMENT }: Config): Logs {
  const destination = pino.destination({
    fd: 1,
    sync: false,
    minLength: 8 * 1024,
    periodicFlush: 100,
    maxLength: MOST_WAITING,
  })
  destination.once('drop', () =>
    process.stderr.write('Nobody reads stdout: lines are dropped from here on. Over OTLP they go in any case.\n'),
  )
  const base = { venture, source: `${COUNTRY}/${ENVIRONMENT}` }
  let exported: Parameters<Logs['exportTo']>[0] = null
  const log = pino(
    {
      level,
      base,
      hooks: {
        streamWrite: oneLine,
        logMethod(args, method, number) {
          method.apply(this, args)
          destination.flush()
          if (exported === null || number < 30) return
          const [first, second] = args as [unknown, unknown]
          const [fields, message] = typeof first === 'object' && first !== null ? [first, second] : [{}, first]
          exported(number >= 50 ? 'error' : number >= 40 ? 'warn' : 'info', String(message ?? ''), attributesOf(fields))
        },
      },
    },
    destination,
  )
  return {
    log,
    items: pino({ level: LOG_ITEMS === 'true' ? level : 'silent', base, hooks: { streamWrite: oneLine } }, destination),
    exportTo(line) {
      exported = line
    },
  }
}

/**
 * Titles and descriptions may contain Unicode line separators. JSON leaves them as they are, and many line readers
 * split at them.
 */
const oneLine = (line: string): string =>
  line.replace(/[\u2028\u2029]/g, (separator) => (separator === '\u2028' ? '\\u2028' : '\\u2029'))

function attributesOf(fields: object): Attributes {
  const attributes: Attributes = {}
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Error) {
      attributes['exception.type'] = value.name
      attributes['exception.message'] = value.message
      if (value.stack !== undefined) attributes['exception.stacktrace'] = value.stack
    } else if (['string', 'number', 'boolean'].includes(typeof value)) attributes[name] = value as string
    else if (value !== null && value !== undefined) attributes[name] = JSON.stringify(value)
  }
  return attributes
}
