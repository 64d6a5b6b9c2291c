import { expect, test } from 'vitest'
import { explain, explainColumn, explainStatus, explainTopic, howToFree } from '../../worker/domain/explanations.ts'
import { REASONS } from '../../worker/domain/reasons.ts'
import { STATUS_NAMES } from '../../worker/domain/statuses.ts'
import { TOPIC_NAMES } from '../../worker/domain/topics.ts'

const sentencesOf = (text: string) => text.split(/(?<=\.) (?=[A-Z])/)

test.each(STATUS_NAMES)('%s is explained in one to three sentences', (status) => {
  const sentences = sentencesOf(explainStatus(status))
  expect(sentences.length).toBeLessThanOrEqual(3)
  for (const sentence of sentences) expect(sentence).toMatch(/^[A-Z].+\.$/)
  expect(explainStatus(status)).not.toMatch(/ticket/i)
})

test('each status has an explanation of its own', () =>
  expect(new Set(STATUS_NAMES.map(explainStatus)).size).toBe(STATUS_NAMES.length))

test.each([
  ['pending', /no request payload yet.*milliseconds/],
  ['processing', /picked.*few seconds/],
  ['building_payload', /request payload is built/],
  ['made_request', /about to be sent/],
  ['got_acknowledgment', /Asynchronous flow only.*own queue.*callback/],
  ['got_response', /response has been received/],
  ['building_response_payload', /payload is extracted/],
  ['response_processing', /synced with the Shop system.*post-update processing/],
  ['delayed', /failed.*retried later.*stock change.*10 minutes/],
  ['blocked', /Shop SKU.*variation.*could not be processed/],
  ['failed', /12 times/],
] as const)('%s says what the requirements say', (status, words) => expect(explainStatus(status)).toMatch(words))

test.each(REASONS)('%s has a label and a sentence', (code) => {
  const { label, sentence } = explain(code)
  expect(label).toMatch(/^[A-Z]/)
  expect(label.length).toBeLessThanOrEqual(25)
  expect(sentence).toMatch(/^[A-Z].+\.$/)
})

test('no two reasons share a label', () =>
  expect(new Set(REASONS.map((code) => explain(code).label)).size).toBe(REASONS.length))

test('each topic has an explanation of its own', () => {
  for (const topic of TOPIC_NAMES) expect(explainTopic(topic)).toMatch(/^[A-Z].+\.$/)
  expect(new Set(TOPIC_NAMES.map(explainTopic)).size).toBe(TOPIC_NAMES.length)
})

test.each([
  ['sellerSku', /seller has given/],
  ['sku', /Shop has given/],
  ['requeuedCount', /How often.*again/],
  ['lastRequeuedAt', /last.*sent to the Shop/],
  ['failedAt', /last tried/],
])('the column %s says what the requirements say', (name, words) => expect(explainColumn(name)).toMatch(words))

test('a column that is none has no explanation', () => expect(explainColumn('constructor')).toBeUndefined())

test('what waits for another is told how it goes on', () => {
  expect(howToFree('failed', 'price')).toMatch(/^It goes on once .*Reupload to Shop/)
  expect(howToFree('blocked', 'price', 'What waits')).toMatch(/^What waits goes on once .*page says/)
  expect(howToFree('made_request', 'price')).toMatch(/by itself/)
  expect(howToFree('failed', 'images')).toMatch(/saved again in Seller Center/)
})
