import type { Topic } from '../../worker/domain/topics.ts'
import {
  ANSWER_TROUBLES,
  type AnswerTrouble,
  CALLBACK_TROUBLES,
  type CallbackTrouble,
  type Duration,
  type Settings,
  type Trouble,
} from './troubles.ts'

/** The troubles of one request. Times are milliseconds. */
export interface Draw {
  trouble: AnswerTrouble | null
  callbackTrouble: CallbackTrouble | null
  latencyMs: number
  answerDelayMs: number
  callbackDelayMs: number
  /** The trouble setting of the draw, for its parameters. */
  setting: Trouble
}

/** The possible troubles of one draw, each with the cumulative percent up to it. */
type Odds<Name> = { name: Name; upTo: number }[]

interface Plan {
  setting: Trouble
  answer: Odds<AnswerTrouble>
  callback: Odds<CallbackTrouble>
}

function odds<Name extends AnswerTrouble | CallbackTrouble>(setting: Trouble, names: readonly Name[]): Odds<Name> {
  let upTo = 0
  return names
    .filter((name) => setting[name] > 0)
    .map((name) => {
      upTo += setting[name]
      return { name, upTo }
    })
}

const plan = (setting: Trouble): Plan => ({
  setting,
  answer: odds(setting, ANSWER_TROUBLES),
  callback: odds(setting, CALLBACK_TROUBLES),
})

/** Mulberry32: small, and good enough for drawing troubles. Returns numbers from 0 (inclusive) to 1 (exclusive). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Draws the trouble of each request from the settings. Troubles without odds consume no random number. */
export class Draws {
  readonly #default: Plan
  readonly #topics: Map<Topic | undefined, Plan>
  readonly random: () => number

  constructor(settings: Settings) {
    this.#default = plan(settings.default)
    this.#topics = new Map(Object.entries(settings.topics).map(([topic, setting]) => [topic as Topic, plan(setting)]))
    this.random = settings.seed === undefined ? Math.random : seeded(settings.seed)
  }

  draw(topic: Topic | undefined): Draw {
    const { setting, answer, callback } = this.#topics.get(topic) ?? this.#default
    return {
      trouble: this.#one(answer),
      callbackTrouble: this.#one(callback),
      latencyMs: this.#duration(setting.latencyMs),
      answerDelayMs: this.#duration(setting.answerDelayMs),
      callbackDelayMs: this.#duration(setting.callbackDelayMs),
      setting,
    }
  }

  #one<Name>(odds: Odds<Name>): Name | null {
    if (odds.length === 0) return null
    const drawn = this.random() * 100
    return odds.find(({ upTo }) => drawn < upTo)?.name ?? null
  }

  #duration(duration: Duration): number {
    return typeof duration === 'number' ? duration : duration.min + this.random() * (duration.max - duration.min)
  }
}
