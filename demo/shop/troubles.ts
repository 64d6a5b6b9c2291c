import { z } from 'zod'
import { TOPIC_NAMES } from '../../worker/domain/topics.ts'
import { limitsSchema } from './limits.ts'

const percent = z.number().min(0).max(100).default(0)

/**
 * Trouble with the answer, in percent of the requests. A request has at most one: one draw from cumulative percents.
 * "Processed" means that it took effect; in the asynchronous flow the callback of a processed request follows.
 */
const answerTroubles = {
  /** HTTP 500, not processed. */
  http500: percent,
  /** HTTP 404, not processed. */
  http404: percent,
  /** HTTP 504, though processed: a gateway in front of the Shop timed out. */
  http504: percent,
  /** Processed, but never answered: the connection stays open until the client gives up. */
  hang: percent,
  /** Never answered and not processed. */
  hangBefore: percent,
  /** Processed, then the socket is destroyed. */
  drop: percent,
  /** The socket is destroyed, not processed. */
  dropBefore: percent,
  /** HTTP 200 with an `error` element, not processed: neither an acknowledgment nor a final answer. */
  nack: percent,
  /**
   * HTTP 200 without JSON. Synchronous: processed. Asynchronous: not processed, since anything but the acknowledgment
   * is a NACK.
   */
  garbage: percent,
  /** An answer to another request id. Processed as with `garbage`. */
  wrongId: percent,
  /**
   * The other flow's form: an acknowledgment and a callback for a synchronous request; a final answer and no callback
   * for an asynchronous one.
   */
  answersOtherFlow: percent,

  // These shape the result, wherever it is delivered: in the final answer or in the callback.
  /** All rows fail, nothing is done. */
  failureRows: percent,
  /** Every second row fails; a single row always does. */
  partial: percent,
  /** One row (picture) too many. */
  wrongRowCount: percent,
  /** The first success row (the images) names another product (set). */
  wrongProduct: percent,
  /** The first row of a create names the src ids of `takenSrcId` and `takenConfigId`. No effect on other methods. */
  srcIdTaken: percent,
  /** Success rows with an empty product, images without pictures. */
  missingProduct: percent,
}

/** Trouble with the callback, in percent of the requests: a second, separate draw. */
const callbackTroubles = {
  /** Acknowledged, but no callback ever follows. */
  noCallback: percent,
  /** The callback is sent and answered before the acknowledgment is written. */
  callbackBeforeAck: percent,
  /** The callback is sent twice at the same time. */
  callbackTwice: percent,
  /**
   * Held until `callbackBatch` callbacks have gathered, or for `callbackHoldMs`; then sent shuffled, as one JSON-RPC
   * batch.
   */
  callbackShuffle: percent,
  /** Acknowledged; then all rows of the callback fail, and nothing is done. */
  callbackFailure: percent,
}

export type AnswerTrouble = keyof typeof answerTroubles
export type CallbackTrouble = keyof typeof callbackTroubles

export const ANSWER_TROUBLES = Object.keys(answerTroubles) as AnswerTrouble[]
export const CALLBACK_TROUBLES = Object.keys(callbackTroubles) as CallbackTrouble[]

/** The longest time of a Node timer. */
const milliseconds = z
  .number()
  .min(0)
  .max(2 ** 31 - 1)

const duration = z.union(
  [
    milliseconds,
    z
      .strictObject({ min: milliseconds, max: milliseconds })
      .refine(({ min, max }) => min <= max, 'min is greater than max'),
  ],
  'expected milliseconds: a number of at least 0, or {min, max}',
)

const troubleSchema = z
  .strictObject({
    ...answerTroubles,
    ...callbackTroubles,
    /** Time before a request is processed and answered. */
    latencyMs: duration.default(0),
    /**
     * Time between processing and the answer. If it exceeds the client's patience, the call took effect and nobody was
     * told.
     */
    answerDelayMs: duration.default(0),
    /** The src id of a product that `srcIdTaken` answers with. */
    takenSrcId: z.string().optional(),
    /** The src id of a set that `srcIdTaken` answers with. */
    takenConfigId: z.string().optional(),
    /** Time between the acknowledgment and the callback. */
    callbackDelayMs: duration.default(20),
    callbackBatch: z.int().min(2).default(10),
    callbackHoldMs: milliseconds.default(1000),
  })
  .superRefine((trouble, context) => {
    for (const names of [ANSWER_TROUBLES, CALLBACK_TROUBLES]) {
      let sum = 0
      for (const name of names) {
        sum += trouble[name]
        if (trouble[name] > 0 && sum > 100)
          context.addIssue({ code: 'custom', path: [name], message: `brings the percents of one draw to ${sum}` })
      }
    }
    if (trouble.srcIdTaken > 0 && trouble.takenSrcId === undefined && trouble.takenConfigId === undefined) {
      context.addIssue({
        code: 'custom',
        path: ['takenSrcId'],
        message: 'srcIdTaken needs takenSrcId or takenConfigId',
      })
    }
  })

/**
 * All settings of the Shop. A topic in `topics` has its own trouble instead of `default`, not in addition to it.
 * Durations are milliseconds: fixed, or drawn evenly from {min, max}.
 */
export const settingsSchema = z.strictObject({
  default: troubleSchema.prefault({}),
  topics: z.partialRecord(z.enum(TOPIC_NAMES), troubleSchema).default({}),
  limits: limitsSchema.prefault({}),
  /** Makes the draws repeatable: the same seed and the same order of requests give the same troubles. */
  seed: z.int().optional(),
  /**
   * Whether updates succeed for products that were not created here: the catalogue may have been loaded with src ids.
   */
  lenient: z.boolean().default(true),
  /** Whether a request is dropped if the client has given up by the time it would be processed. */
  dropsAbandoned: z.boolean().default(false),
  /** `counts` keeps only numbers, no request, callback or product member: for benchmarks. */
  record: z.enum(['all', 'counts']).default('all'),
  /** How many of the latest requests and callbacks are kept. */
  recordLimit: z.int().min(1).default(10_000),
  /** Whether answers and callbacks are escaped as by PHP's json_encode: non-ASCII as \u00e9, a slash as \/. */
  escapesJson: z.boolean().default(false),
  /** How often a callback is sent before the Shop gives up. */
  callbackTries: z.int().min(1).default(10),
})

export type Trouble = z.output<typeof troubleSchema>
export type Duration = z.output<typeof duration>
export type Settings = z.output<typeof settingsSchema>
/** Settings as given; missing ones get their defaults. */
export type SettingsInput = z.input<typeof settingsSchema>

/** The settings, or one sentence that names the wrong field (`default.http500: …`). */
export function readSettings(input: unknown): { settings: Settings } | { error: string } {
  const parsed = settingsSchema.safeParse(input)
  if (parsed.success) return { settings: parsed.data }
  return {
    error: parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'settings'}: ${message}`).join('; '),
  }
}
