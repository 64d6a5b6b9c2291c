import { describe, expect, test } from 'vitest'
import { REASONS, SECOND_ID } from '../../worker/domain/reasons.ts'
import {
  answersWithin,
  durationInWords,
  type ItemFacts,
  sellerAnswer,
  type WhoActs,
} from '../../worker/domain/seller-answer.ts'
import { FLOWS, STATUS_NAMES } from '../../worker/domain/statuses.ts'
import { TOPIC_NAMES } from '../../worker/domain/topics.ts'

const NOW = new Date('2026-11-24T07:15:00Z')
const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000)
const MINUTE = 60
const HOUR = 3600
const DAY = 86_400

const holder = (status: 'delayed' | 'failed', sellerSku: string | null = 'TEE-BLK-M') =>
  ({ id: '12', topic: 'price', status, sellerSku, nextAttemptAt: at(27 * MINUTE) }) as const

const price: ItemFacts = {
  topic: 'price',
  status: 'pending',
  reason: null,
  productTitle: 'Black T-shirt',
  sellerSku: 'TEE-BLK-M',
  shopSku: 'AC123APP-9001',
  queuedAt: at(-5),
  statusAt: at(-5),
  lastSentAt: null,
  flow: null,
  failures: 0,
  sends: 0,
  maxRetries: 27,
  failedAfter: 12,
  nextAttemptAt: null,
  blockedBy: null,
  noCreate: null,
  heldBy: null,
  positionInSet: null,
  newer: null,
  incident: null,
  refusedSince: null,
  callbacksStopped: null,
  expectedAt: null,
  usualSeconds: null,
  hidden: null,
}
const PRICE = 'The price change for “Black T-shirt” (seller SKU TEE-BLK-M)'
const NOTHING = 'There is nothing you need to do.'
const failure = (message: string | null): ItemFacts['reason'] => ({ code: 'failure', message })
const because = (code: (typeof REASONS)[number], message: string | null = null): ItemFacts['reason'] => ({
  code,
  message,
})

type Case = [name: string, facts: Partial<ItemFacts>, whoActs: WhoActs, sentences: string[]]

const pause = (more: Partial<NonNullable<ItemFacts['incident']>['pause'] & object> = {}) => ({
  topic: null,
  sellerId: null,
  sellerName: null,
  endsItself: true,
  reason: 'Maintenance',
  ...more,
})
const incident = (
  kind: NonNullable<ItemFacts['incident']>['kind'],
  more: Partial<NonNullable<ItemFacts['incident']>> = {},
): ItemFacts['incident'] => ({ kind, since: at(-10 * MINUTE), nextAt: null, pause: null, ...more })
const SINCE = 'Since 24 Nov 2026, 07:05 UTC (10 minutes ago)'
const QUEUED = `${PRICE} was queued on 24 Nov 2026, 07:14 UTC (5 seconds ago).`

/** What keeps it from being sent comes first. */
const HINDERED: Case[] = [
  [
    'Pending, the Shop is away',
    { incident: incident('shop_away') },
    'sre',
    [
      `${SINCE} the Shop cannot be reached, so nothing is sent; nothing is lost.`,
      QUEUED,
      'It is sent by itself when the Shop can be reached again; our operations team is looking into it, and there is ' +
        'nothing you need to do.',
    ],
  ],
  [
    'Pending, the Shop is busy',
    { incident: incident('shop_busy') },
    'nobody',
    [
      `${SINCE} the Shop has more to do than it can take, so changes are sent more slowly; nothing is lost.`,
      QUEUED,
      'It is sent in its turn; there is nothing you need to do.',
    ],
  ],
  [
    'Pending, nobody knows since when no worker runs',
    { incident: incident('no_worker', { since: null }) },
    'sre',
    [
      'At the moment nothing is sent, because of a fault on our side; nothing is lost.',
      QUEUED,
      'It is sent by itself as soon as the fault is mended; our operations team is looking into it, and there is ' +
        'nothing you need to do.',
    ],
  ],
  [
    'Pending, everything is paused',
    { incident: incident('paused', { nextAt: at(30 * MINUTE), pause: pause() }) },
    'nobody',
    [
      `${SINCE} sending to the Shop is paused until 24 Nov 2026, 07:45 UTC (in 30 minutes); nothing is lost.`,
      QUEUED,
      'It is sent by itself afterwards; there is nothing you need to do.',
    ],
  ],
  [
    'Pending, its topic is paused until somebody ends it',
    { incident: incident('paused', { nextAt: at(30 * MINUTE), pause: pause({ topic: 'price', endsItself: false }) }) },
    'nobody',
    [
      `${SINCE} the sending of Price changes is paused, as planned until 24 Nov 2026, 07:45 UTC (in 30 minutes); ` +
        'nothing is lost.',
      QUEUED,
      'It is sent by itself afterwards; there is nothing you need to do.',
    ],
  ],
  [
    'Pending, its seller is paused for longer than planned',
    {
      incident: incident('paused', {
        nextAt: at(-5 * MINUTE),
        pause: pause({ sellerId: '7', sellerName: 'Nile Textiles', endsItself: false }),
      }),
    },
    'sre',
    [
      `${SINCE} the sending of your changes is paused, for longer than planned (until 24 Nov 2026, 07:10 UTC); ` +
        'nothing is lost.',
      QUEUED,
      'It is sent by itself afterwards; our operations team is looking into it, and there is nothing you need to do.',
    ],
  ],
  [
    'Delayed, and due while everything is paused',
    {
      status: 'delayed',
      reason: failure(null),
      failures: 1,
      sends: 1,
      nextAttemptAt: at(MINUTE),
      incident: incident('paused', { nextAt: at(30 * MINUTE), pause: pause() }),
    },
    'nobody',
    [
      `${SINCE} sending to the Shop is paused until 24 Nov 2026, 07:45 UTC (in 30 minutes); nothing is lost.`,
      `${PRICE} could not be synced yet: one attempt has failed.`,
      'It failed on 24 Nov 2026, 07:14 UTC (5 seconds ago).',
      'It is sent by itself afterwards; there is nothing you need to do.',
    ],
  ],
  [
    'Delayed until after the pause',
    {
      status: 'delayed',
      reason: failure(null),
      failures: 1,
      sends: 1,
      nextAttemptAt: at(HOUR),
      incident: incident('paused', { nextAt: at(30 * MINUTE), pause: pause() }),
    },
    'nobody',
    [
      `${PRICE} could not be synced yet: one attempt has failed.`,
      'It failed on 24 Nov 2026, 07:14 UTC (5 seconds ago).',
      'It is tried again automatically on 24 Nov 2026, 08:15 UTC (in 1 hour), as retry 1 of 27; there is nothing you ' +
        'need to do.',
    ],
  ],
  [
    'Got acknowledgment, and calls of the Shop are refused',
    { status: 'got_acknowledgment', sends: 1, refusedSince: at(-10 * MINUTE) },
    'admin',
    [
      'The Shop confirmed on 24 Nov 2026, 07:14 UTC (5 seconds ago) that it has received the price change for “Black ' +
        'T-shirt” (seller SKU TEE-BLK-M) and put it into its own queue.',
      `${SINCE} calls of the Shop have been turned away on our side; its answer may have been among them.`,
      'An admin has to let the Shop in again; there is nothing you need to do.',
    ],
  ],
  [
    'Got acknowledgment, and no callback comes any more',
    { status: 'got_acknowledgment', sends: 1, callbacksStopped: { since: at(-10 * MINUTE) } },
    'sre',
    [
      'The Shop confirmed on 24 Nov 2026, 07:14 UTC (5 seconds ago) that it has received the price change for “Black ' +
        'T-shirt” (seller SKU TEE-BLK-M) and put it into its own queue.',
      `${SINCE} no answer of the Shop reaches us, to any change, although some are due; nothing is lost.`,
      'Our operations team is looking into it with the Shop; there is nothing you need to do.',
    ],
  ],
  [
    'Pending, with much before it',
    { positionInSet: 1, statusAt: at(-5 * MINUTE), queuedAt: at(-5 * MINUTE), expectedAt: at(10 * MINUTE) },
    'nobody',
    [
      `${PRICE} was queued on 24 Nov 2026, 07:10 UTC (5 minutes ago).`,
      'It is the next change of its product set to be sent.',
      'At the present pace everything that waits is sent by 24 Nov 2026, 07:25 UTC (in 10 minutes).',
      NOTHING,
    ],
  ],
]

const CASES: Case[] = [
  ...HINDERED,
  [
    'Pending, next of its set',
    { positionInSet: 1 },
    'nobody',
    [
      `${PRICE} was queued on 24 Nov 2026, 07:14 UTC (5 seconds ago).`,
      'It is the next change of its product set to be sent.',
      NOTHING,
    ],
  ],
  [
    'Pending, one before it',
    { positionInSet: 2 },
    'nobody',
    [
      `${PRICE} was queued on 24 Nov 2026, 07:14 UTC (5 seconds ago).`,
      'One other change of the same product set is sent before it.',
      NOTHING,
    ],
  ],
  [
    'Pending for exactly 30 seconds',
    { queuedAt: at(-30), statusAt: at(-30) },
    'nobody',
    [
      `${PRICE} was queued on 24 Nov 2026, 07:14 UTC (30 seconds ago).`,
      'It is sent as soon as its turn comes.',
      NOTHING,
    ],
  ],
  [
    'Pending for longer',
    { queuedAt: at(-5 * MINUTE), statusAt: at(-5 * MINUTE), positionInSet: 4 },
    'sre',
    [
      `${PRICE} was queued on 24 Nov 2026, 07:10 UTC (5 minutes ago).`,
      '3 other changes of the same product set are sent before it.',
      'It has been like this for 5 minutes, which is longer than usual; our operations team is looking into it, ' +
        'and there is nothing you need to do.',
    ],
  ],
  [
    'Pending for hours behind a Delayed one',
    {
      queuedAt: at(-5 * MINUTE),
      statusAt: at(-5 * MINUTE),
      positionInSet: 1,
      heldBy: holder('delayed'),
    },
    'nobody',
    [
      `${PRICE} was queued on 24 Nov 2026, 07:10 UTC (5 minutes ago).`,
      'It is sent after an earlier change of the same product, item 12 (Price, status Delayed), ' +
        'which is tried again automatically on 24 Nov 2026, 07:42 UTC (in 27 minutes).',
      NOTHING,
    ],
  ],
  [
    'Pending behind a Failed one',
    { positionInSet: 1, heldBy: holder('failed') },
    'sre',
    [
      `${PRICE} was queued on 24 Nov 2026, 07:14 UTC (5 seconds ago).`,
      'It is sent after an earlier change of the same product, item 12 (Price, status Failed), ' +
        'which is tried again automatically on 24 Nov 2026, 07:42 UTC (in 27 minutes).',
      'Our operations team is looking into it; there is nothing you need to do.',
    ],
  ],
  [
    'Pending behind a Delayed one of a sibling',
    { positionInSet: 1, heldBy: holder('delayed', 'TEE-WHITE-L') },
    'nobody',
    [
      `${PRICE} was queued on 24 Nov 2026, 07:14 UTC (5 seconds ago).`,
      'It is sent after an earlier change of another variation (seller SKU TEE-WHITE-L), item 12 (Price, status ' +
        'Delayed), which is tried again automatically on 24 Nov 2026, 07:42 UTC (in 27 minutes).',
      NOTHING,
    ],
  ],
  [
    'Failed behind a Delayed one',
    {
      status: 'failed',
      reason: failure(null),
      failures: 12,
      sends: 12,
      heldBy: holder('delayed'),
      nextAttemptAt: at(-MINUTE),
    },
    'sre',
    [
      `${PRICE} could not be synced: 12 attempts have failed, and from the 12th on we count it as failed.`,
      'The last one failed on 24 Nov 2026, 07:14 UTC (5 seconds ago).',
      'It is sent after an earlier change of the same product, item 12 (Price, status Delayed), ' +
        'which is tried again automatically on 24 Nov 2026, 07:42 UTC (in 27 minutes).',
      'Our operations team is looking into it; there is nothing you need to do.',
    ],
  ],
  [
    'Pending, queued long ago but requeued just now',
    { reason: because('requeued', 'by Ada Admin'), queuedAt: at(-3 * DAY) },
    'nobody',
    [
      `${PRICE} was queued again on 24 Nov 2026, 07:14 UTC (5 seconds ago) and is sent with its current data.`,
      'It is sent as soon as its turn comes.',
      NOTHING,
    ],
  ],
  [
    'Pending, coalesced',
    { reason: because('coalesced') },
    'nobody',
    [
      `${PRICE} was changed again on 24 Nov 2026, 07:14 UTC (5 seconds ago); the newest data is sent in one go.`,
      'It is sent as soon as its turn comes.',
      NOTHING,
    ],
  ],
  [
    'Pending, released',
    { reason: because('released') },
    'nobody',
    [
      `${PRICE} has been ready to send since 24 Nov 2026, 07:14 UTC (5 seconds ago): what it waited for is in the ` +
        'Shop now.',
      'It is sent as soon as its turn comes.',
      NOTHING,
    ],
  ],
  [
    'Pending, told to wait by the Shop',
    { reason: because('shop_busy') },
    'nobody',
    [
      `${PRICE} could not be sent on 24 Nov 2026, 07:14 UTC (5 seconds ago), because the Shop has more to do than it ` +
        'can take at the moment; it keeps its turn, and that does not count as a failure.',
      'It is sent as soon as its turn comes.',
      NOTHING,
    ],
  ],
  [
    'Pending, for the Shop cannot be reached',
    { reason: because('shop_away') },
    'nobody',
    [
      `${PRICE} could not be sent on 24 Nov 2026, 07:14 UTC (5 seconds ago), because the Shop cannot be reached at ` +
        'the moment; it keeps its turn, and that does not count as a failure.',
      'It is sent as soon as its turn comes.',
      NOTHING,
    ],
  ],
  ...(['worker_lost', 'worker_stopped'] as const).map(
    (code): Case => [
      `Pending, ${code}`,
      { reason: because(code) },
      'nobody',
      [
        `${PRICE} was interrupted on our side on 24 Nov 2026, 07:14 UTC (5 seconds ago) and is queued again; ` +
          'nothing is lost.',
        'It is sent as soon as its turn comes.',
        NOTHING,
      ],
    ],
  ),
  ['Processing', { status: 'processing' }, 'nobody', [`${PRICE} is being prepared for the Shop right now.`, NOTHING]],
  [
    'Building the payload of a retry',
    { status: 'building_payload', failures: 3, sends: 3 },
    'nobody',
    [`${PRICE} is being prepared for the Shop right now, as retry 3 of 27.`, NOTHING],
  ],
  [
    'Processing for too long',
    { status: 'processing', statusAt: at(-45) },
    'sre',
    [
      `${PRICE} is being prepared for the Shop right now.`,
      'It has been like this for 45 seconds, which is longer than usual; our operations team is looking into it, ' +
        'and there is nothing you need to do.',
    ],
  ],
  [
    'Made request, synchronous flow',
    { status: 'made_request', flow: 'synchronous', lastSentAt: at(-2), sends: 1 },
    'shop',
    [
      `${PRICE} was handed to the Shop on 24 Nov 2026, 07:14 UTC (2 seconds ago).`,
      "The Shop's answer is expected within seconds.",
      NOTHING,
    ],
  ],
  [
    'Made request, asynchronous flow, a retry',
    { status: 'made_request', flow: 'asynchronous', lastSentAt: at(-2), sends: 2, failures: 1 },
    'shop',
    [
      `${PRICE} was handed to the Shop on 24 Nov 2026, 07:14 UTC (2 seconds ago), as retry 1 of 27.`,
      'The Shop confirms first that it has received it; its final answer can come hours or even days later.',
      NOTHING,
    ],
  ],
  [
    'Made request for too long',
    { status: 'made_request', flow: 'synchronous', statusAt: at(-10 * MINUTE), lastSentAt: at(-10 * MINUTE), sends: 1 },
    'sre',
    [
      `${PRICE} was handed to the Shop on 24 Nov 2026, 07:05 UTC (10 minutes ago).`,
      'It has been like this for 10 minutes, which is longer than usual; our operations team is looking into it, ' +
        'and there is nothing you need to do.',
    ],
  ],
  [
    'Got acknowledgment',
    { status: 'got_acknowledgment', flow: 'asynchronous', statusAt: at(-3 * HOUR), sends: 1 },
    'shop',
    [
      'The Shop confirmed on 24 Nov 2026, 04:15 UTC (3 hours ago) that it has received the price change for ' +
        '“Black T-shirt” (seller SKU TEE-BLK-M) and put it into its own queue.',
      'Its final answer can come hours or even days later; until then nothing is lost and nothing is sent twice.',
      'The Shop has to answer now, and if no answer comes, an admin can have the change sent again; ' +
        'there is nothing you need to do.',
    ],
  ],
  ...(
    [
      [240, 201, 'The Shop answers 95 % of price changes within 4 minutes; until it has answered nothing is lost and '],
      [
        241,
        201,
        'The Shop answers 95 % of price changes within 4 minutes, so this one takes longer than usual; its answer ' +
          'can still come, and until then nothing is lost and ',
      ],
    ] as const
  ).map(
    ([secondsAgo, usualSeconds, told]): Case => [
      `Got acknowledgment ${secondsAgo} seconds ago, and it is known what is usual`,
      { status: 'got_acknowledgment', flow: 'asynchronous', statusAt: at(-secondsAgo), sends: 1, usualSeconds },
      'shop',
      [
        'The Shop confirmed on 24 Nov 2026, ' +
          `${secondsAgo === 240 ? '07:11 UTC (4 minutes ago)' : '07:10 UTC (4 minutes ago)'} that it has received ` +
          'the price change for “Black T-shirt” (seller SKU TEE-BLK-M) and put it into its own queue.',
        `${told}nothing is sent twice.`,
        'The Shop has to answer now, and if no answer comes, an admin can have the change sent again; ' +
          'there is nothing you need to do.',
      ],
    ],
  ),
  [
    'Got acknowledgment, known what is usual, but no callbacks come any more',
    {
      status: 'got_acknowledgment',
      flow: 'asynchronous',
      statusAt: at(-HOUR),
      sends: 1,
      usualSeconds: 201,
      callbacksStopped: { since: null },
    },
    'sre',
    [
      'The Shop confirmed on 24 Nov 2026, 06:15 UTC (1 hour ago) that it has received the price change for “Black ' +
        'T-shirt” (seller SKU TEE-BLK-M) and put it into its own queue.',
      'At the moment no answer of the Shop reaches us, to any change, although some are due; nothing is lost.',
      'Our operations team is looking into it with the Shop; there is nothing you need to do.',
    ],
  ],
  [
    'Made request, asynchronous flow, known what is usual, but no callbacks come any more',
    {
      status: 'made_request',
      flow: 'asynchronous',
      lastSentAt: at(-2),
      sends: 1,
      usualSeconds: 2,
      callbacksStopped: { since: null },
    },
    'shop',
    [
      `${PRICE} was handed to the Shop on 24 Nov 2026, 07:14 UTC (2 seconds ago).`,
      'The Shop confirms first that it has received it; its final answer can come hours or even days later.',
      NOTHING,
    ],
  ],
  [
    'Made request, asynchronous flow, and it is known what is usual',
    { status: 'made_request', flow: 'asynchronous', lastSentAt: at(-2), sends: 1, usualSeconds: 2 },
    'shop',
    [
      `${PRICE} was handed to the Shop on 24 Nov 2026, 07:14 UTC (2 seconds ago).`,
      'The Shop confirms first that it has received it; after that it answers 95 % of price changes within 10 seconds.',
      NOTHING,
    ],
  ],
  [
    'Got acknowledgment for images, which no admin can requeue',
    {
      topic: 'images',
      sellerSku: null,
      status: 'got_acknowledgment',
      flow: 'asynchronous',
      statusAt: at(-2 * DAY - 5 * HOUR),
      sends: 1,
    },
    'shop',
    [
      'The Shop confirmed on 22 Nov 2026, 02:15 UTC (2 days 5 hours ago) ' +
        'that it has received the image change for “Black T-shirt” and put it into its own queue.',
      'Its final answer can come hours or even days later; until then nothing is lost and nothing is sent twice.',
      'The Shop has to answer now; there is nothing you need to do.',
    ],
  ],
  ...(['got_response', 'building_response_payload'] as const).map(
    (status): Case => [
      status,
      { status },
      'nobody',
      [
        'The Shop has answered the price change for “Black T-shirt” (seller SKU TEE-BLK-M), ' +
          'and the answer is being processed right now.',
        NOTHING,
      ],
    ],
  ),
  [
    'Response processing',
    { status: 'response_processing' },
    'nobody',
    [`${PRICE} has been accepted by the Shop, and the result is being noted in Seller Center right now.`, NOTHING],
  ],
  [
    'Synced',
    { status: 'synced', statusAt: at(-90 * MINUTE) },
    'nobody',
    [
      `${PRICE} was synced with the Shop on 24 Nov 2026, 05:45 UTC (1 hour 30 minutes ago).`,
      'The Shop SKU is AC123APP-9001.',
      NOTHING,
    ],
  ],
  [
    'Synced, a whole set without one Shop SKU',
    { topic: 'new_product_set', sellerSku: null, shopSku: null, status: 'synced', statusAt: NOW },
    'nobody',
    ['The new product “Black T-shirt” was synced with the Shop on 24 Nov 2026, 07:15 UTC (just now).', NOTHING],
  ],
  [
    'Synced, nothing to send',
    { topic: 'new_product', status: 'synced', reason: because('nothing_to_send') },
    'nobody',
    [
      'The new variation “Black T-shirt” (seller SKU TEE-BLK-M) was finished on ' +
        '24 Nov 2026, 07:14 UTC (5 seconds ago): the Shop already had everything, so nothing had to be sent.',
      'The Shop SKU is AC123APP-9001.',
      NOTHING,
    ],
  ],
  [
    'Synced, with a newer change on its way',
    { status: 'synced', statusAt: at(-90 * MINUTE), newer: { itemId: '13', status: 'pending' } },
    'nobody',
    [
      `${PRICE} was accepted by the Shop on 24 Nov 2026, 05:45 UTC (1 hour 30 minutes ago), ` +
        'but has been overtaken: the same data was changed again.',
      'The newer change, item 13, is not in the Shop yet; its status is Pending.',
      NOTHING,
    ],
  ],
  [
    'Synced, with a newer change that has failed',
    { status: 'synced', statusAt: at(-90 * MINUTE), newer: { itemId: '13', status: 'failed' } },
    'sre',
    [
      `${PRICE} was accepted by the Shop on 24 Nov 2026, 05:45 UTC (1 hour 30 minutes ago), ` +
        'but has been overtaken: the same data was changed again.',
      'The newer change, item 13, is not in the Shop yet; its status is Failed.',
      'Our operations team is looking into it; there is nothing you need to do.',
    ],
  ],
  [
    'its product deleted while it was Failed',
    { status: 'failed', reason: because('product_deleted'), statusAt: at(-MINUTE) },
    'nobody',
    [
      `${PRICE} left the queue on 24 Nov 2026, 07:14 UTC (1 minute ago), ` +
        'because its product has been deleted in Seller Center.',
      'There is nothing left to send.',
      NOTHING,
    ],
  ],
  [
    'the last product of its set deleted, or moved to another one',
    { topic: 'images', sellerSku: null, reason: because('product_deleted'), statusAt: at(-MINUTE) },
    'nobody',
    [
      'The image change for “Black T-shirt” left the queue on 24 Nov 2026, 07:14 UTC (1 minute ago), ' +
        'because its product set has no product in Seller Center.',
      'There is nothing left to send.',
      NOTHING,
    ],
  ],
  [
    'Pending, for an answer that was older than the last change',
    { reason: because('newer_change') },
    'nobody',
    [
      `${PRICE} was changed again before the Shop answered on 24 Nov 2026, 07:14 UTC (5 seconds ago); ` +
        'the newest data is sent now.',
      'It is sent as soon as its turn comes.',
      NOTHING,
    ],
  ],
  [
    'discarded',
    { status: 'synced', reason: because('discarded', 'by Ada Admin: wrong price'), statusAt: at(-DAY) },
    'seller',
    [
      `${PRICE} was taken out of the queue on 23 Nov 2026, 07:15 UTC (1 day ago) and is not sent any more.`,
      'If you still want it, please save it again in Seller Center; it is then queued anew.',
    ],
  ],
  [
    'Delayed, stock wait',
    {
      topic: 'stock',
      status: 'delayed',
      reason: because('stock_wait'),
      queuedAt: at(-6 * MINUTE),
      nextAttemptAt: at(4 * MINUTE),
    },
    'nobody',
    [
      'The stock change for “Black T-shirt” (seller SKU TEE-BLK-M) was queued on ' +
        '24 Nov 2026, 07:09 UTC (6 minutes ago) and waits on purpose: ' +
        'a stock change is sent 10 minutes after it was queued, so that orders are processed first.',
      'It is sent on 24 Nov 2026, 07:19 UTC (in 4 minutes).',
      NOTHING,
    ],
  ],
  [
    'Delayed, stock wait that is over',
    {
      topic: 'stock',
      status: 'delayed',
      reason: because('stock_wait'),
      queuedAt: at(-HOUR),
      nextAttemptAt: at(-50 * MINUTE),
    },
    'sre',
    [
      'The stock change for “Black T-shirt” (seller SKU TEE-BLK-M) was queued on ' +
        '24 Nov 2026, 06:15 UTC (1 hour ago) and waits on purpose: ' +
        'a stock change is sent 10 minutes after it was queued, so that orders are processed first.',
      'It is sent any moment now (it was planned for 24 Nov 2026, 06:25 UTC).',
      'That is later than planned; our operations team is looking into it, and there is nothing you need to do.',
    ],
  ],
  [
    'Delayed after one failure',
    { status: 'delayed', reason: failure(null), failures: 1, sends: 1, nextAttemptAt: at(55) },
    'nobody',
    [
      `${PRICE} could not be synced yet: one attempt has failed.`,
      'It failed on 24 Nov 2026, 07:14 UTC (5 seconds ago).',
      'It is tried again automatically on 24 Nov 2026, 07:15 UTC (in 55 seconds), as retry 1 of 27; ' +
        'there is nothing you need to do.',
    ],
  ],
  [
    'Delayed after three failures',
    {
      status: 'delayed',
      reason: failure('Price must be positive.'),
      failures: 3,
      sends: 3,
      statusAt: NOW,
      nextAttemptAt: at(27 * MINUTE),
    },
    'nobody',
    [
      `${PRICE} could not be synced yet: 3 attempts have failed.`,
      'The last one failed on 24 Nov 2026, 07:15 UTC (just now): the Shop said “Price must be positive”.',
      'It is tried again automatically on 24 Nov 2026, 07:42 UTC (in 27 minutes), as retry 3 of 27; ' +
        'there is nothing you need to do.',
    ],
  ],
  [
    'Delayed, due a minute ago',
    {
      status: 'delayed',
      reason: failure('HTTP 502'),
      failures: 2,
      sends: 2,
      statusAt: at(-9 * MINUTE),
      nextAttemptAt: at(-MINUTE),
    },
    'nobody',
    [
      `${PRICE} could not be synced yet: 2 attempts have failed.`,
      'The last one failed on 24 Nov 2026, 07:06 UTC (9 minutes ago): the Shop answered with an error.',
      'It is tried again automatically any moment now (it was planned for 24 Nov 2026, 07:14 UTC), ' +
        'as retry 2 of 27; there is nothing you need to do.',
    ],
  ],
  [
    'Delayed, overdue',
    {
      status: 'delayed',
      reason: failure(null),
      failures: 2,
      sends: 2,
      statusAt: at(-HOUR),
      nextAttemptAt: at(-52 * MINUTE),
    },
    'sre',
    [
      `${PRICE} could not be synced yet: 2 attempts have failed.`,
      'The last one failed on 24 Nov 2026, 06:15 UTC (1 hour ago).',
      'It is tried again automatically any moment now (it was planned for 24 Nov 2026, 06:23 UTC), ' +
        'as retry 2 of 27; our operations team is looking into it, and there is nothing you need to do.',
    ],
  ],
  [
    'Failed, retries go on',
    {
      status: 'failed',
      reason: failure('time-out after 30000 ms'),
      failures: 14,
      sends: 14,
      statusAt: at(-46 * MINUTE),
      nextAttemptAt: at(7 * HOUR + 14 * MINUTE),
    },
    'sre',
    [
      `${PRICE} could not be synced: 14 attempts have failed, and from the 12th on we count it as failed.`,
      'The last one failed on 24 Nov 2026, 06:29 UTC (46 minutes ago): the Shop did not answer in time.',
      'It is tried again automatically on 24 Nov 2026, 14:29 UTC (in 7 hours 14 minutes), as retry 14 of 27; ' +
        'our operations team is looking into it, and there is nothing you need to do.',
    ],
  ],
  [
    'Failed, retries exhausted',
    { status: 'failed', reason: failure(null), failures: 28, sends: 28, statusAt: at(-DAY) },
    'admin',
    [
      `${PRICE} could not be synced: 28 attempts have failed, and from the 12th on we count it as failed.`,
      'The last one failed on 23 Nov 2026, 07:15 UTC (1 day ago).',
      'All 27 automatic retries are used up: an admin has to have it sent again; there is nothing you need to do.',
    ],
  ],
  [
    'Failed, retries exhausted, images',
    {
      topic: 'images',
      sellerSku: null,
      status: 'failed',
      reason: failure(null),
      failures: 28,
      sends: 28,
      statusAt: at(-DAY),
    },
    'seller',
    [
      'The image change for “Black T-shirt” could not be synced: 28 attempts have failed, ' +
        'and from the 12th on we count it as failed.',
      'The last one failed on 23 Nov 2026, 07:15 UTC (1 day ago).',
      'All 27 automatic retries are used up: please save the images again in Seller Center, which sends them anew.',
    ],
  ],
  [
    'Blocked, not in the Shop, the create is under way',
    {
      status: 'blocked',
      reason: because('not_in_shop'),
      blockedBy: { itemId: '17', topic: 'new_product_set', status: 'delayed' },
    },
    'nobody',
    [
      `${PRICE} is saved but not sent yet, because the product has not been created in the Shop yet.`,
      'It waits for item 17 (New Product (Set), status Delayed) and is sent at once when that is synced.',
      NOTHING,
    ],
  ],
  [
    'Blocked, not in the Shop, the create is acknowledged',
    {
      status: 'blocked',
      reason: because('not_in_shop'),
      blockedBy: { itemId: '17', topic: 'new_product_set', status: 'got_acknowledgment' },
    },
    'shop',
    [
      `${PRICE} is saved but not sent yet, because the product has not been created in the Shop yet.`,
      'It waits for item 17 (New Product (Set), status Got acknowledgment) and is sent at once when that is synced.',
      'The Shop has to answer that one first; there is nothing you need to do.',
    ],
  ],
  [
    'Blocked, not in the Shop, nothing creates it',
    { status: 'blocked', reason: because('not_in_shop') },
    'admin',
    [
      `${PRICE} is saved but not sent yet, because the product has not been created in the Shop yet.`,
      'Nothing in the queue creates it at the moment.',
      'An admin has to queue its creation; there is nothing you need to do.',
    ],
  ],
  [
    'Blocked, new variation that has failed',
    {
      status: 'blocked',
      reason: because('new_variation'),
      blockedBy: { itemId: '18', topic: 'new_product', status: 'failed' },
    },
    'admin',
    [
      `${PRICE} is saved but not sent yet, ` +
        'because another variation of the product is still being created in the Shop.',
      'It waits for item 18 (New Product, status Failed) and is sent at once when that is synced.',
      'An admin has to look at that item first; there is nothing you need to do.',
    ],
  ],
  [
    'Blocked, unprocessable response',
    {
      status: 'blocked',
      reason: because('unprocessable_response', 'row count 1, expected 2'),
      statusAt: at(-2 * HOUR),
    },
    'admin',
    [
      `${PRICE} was answered by the Shop on 24 Nov 2026, 05:15 UTC (2 hours ago), ` +
        'but the answer could not be processed.',
      'The answer is kept, and nothing is sent again by itself.',
      'An admin decides whether the change is sent again; there is nothing you need to do.',
    ],
  ],
  [
    'Blocked: the Shop has made it twice',
    {
      topic: 'new_product',
      status: 'blocked',
      reason: because(
        'src_id_conflict',
        `Product 42 (seller SKU TEE-BLK-M) ${SECOND_ID} 9001; the answer brings 9002.`,
      ),
    },
    'admin',
    [
      'The new variation “Black T-shirt” (seller SKU TEE-BLK-M) was answered by the Shop with a second ID: ' +
        'it has the product under another one already.',
      'The product keeps the one that it had.',
      'An admin has to have the second one removed by the Shop; there is nothing you need to do.',
    ],
  ],
  [
    'Blocked, ID already taken',
    {
      topic: 'new_product_set',
      sellerSku: null,
      status: 'blocked',
      reason: because('src_id_conflict', 'src_id 9001 belongs to product 4711, seller SKU CAP-RED'),
    },
    'admin',
    [
      'The Shop answered the new product “Black T-shirt” with an ID that already belongs to another product.',
      'Neither of the two products has been overwritten.',
      'An admin has to sort this out with the Shop; there is nothing you need to do.',
    ],
  ],
  [
    'Blocked, unknown outcome',
    {
      topic: 'new_product',
      status: 'blocked',
      reason: because('unknown_outcome'),
      lastSentAt: at(-20 * MINUTE),
      sends: 1,
    },
    'admin',
    [
      'The new variation “Black T-shirt” (seller SKU TEE-BLK-M) was handed to the Shop on ' +
        '24 Nov 2026, 06:55 UTC (20 minutes ago), but we lost track of it before the answer came.',
      'The Shop may have created the product already, so it is not sent again by itself: that could create it twice.',
      "It goes on when the Shop's answer arrives or an admin decides; there is nothing you need to do.",
    ],
  ],
  [
    'Blocked without a reason',
    { status: 'blocked' },
    'admin',
    [
      `${PRICE} was blocked on 24 Nov 2026, 07:14 UTC (5 seconds ago).`,
      'It is saved, but not sent by itself.',
      'An admin has to look at it; there is nothing you need to do.',
    ],
  ],
]

test.each(CASES)('%s', (_, facts, whoActs, sentences) =>
  expect(sellerAnswer({ ...price, ...facts }, NOW)).toEqual({ whoActs, sentences, text: sentences.join(' ') }),
)

test.each([
  ['Stock failed to update', 1, ': the Shop said “Stock failed to update”.'],
  ['HTTP 404', 1, ': the Shop answered with an error.'],
  ['HTTP 502 Bad Gateway', 1, ': the Shop answered with an error.'],
  ['timeout', 1, ': the Shop did not answer in time.'],
  ['Request timed out', 1, ': the Shop did not answer in time.'],
  ['connect ECONNREFUSED 10.1.2.3:443', 1, ': the Shop could not be reached.'],
  ['getaddrinfo ENOTFOUND shop.internal', 1, ': the Shop could not be reached.'],
  ['fetch failed', 1, ': the Shop could not be reached.'],
  ["TypeError: Cannot read properties of undefined (reading 'id')", 1, ': it could not be processed on our side.'],
  ['Brand missing', 0, ': it could not be prepared on our side.'],
  ['ERROR 17: EXPENSIVE item', 1, ': the Shop said “ERROR 17: EXPENSIVE item”.'],
  ['x'.repeat(5000), 1, `: the Shop said “${'x'.repeat(200)}…”.`],
  ['  ', 1, '.'],
])('of the failure "%s" after %i sends the seller reads "%s"', (message, sends, told) => {
  const [, last] = sellerAnswer(
    { ...price, status: 'delayed', reason: failure(message), failures: 1, sends, nextAttemptAt: at(60) },
    NOW,
  ).sentences
  expect(last).toBe(`It failed on 24 Nov 2026, 07:14 UTC (5 seconds ago)${told}`)
})

test.each([
  [0, '10 seconds'],
  [10, '10 seconds'],
  [10.1, '20 seconds'],
  [51, '1 minute'],
  [61, '2 minutes'],
  [59 * MINUTE + 1, '1 hour'],
  [HOUR + 1, '1 hour 15 minutes'],
  [DAY, '1 day'],
  [DAY + 1, '1 day 1 hour'],
])('what is usual, %d s, is rounded up: within %s', (seconds, words) =>
  expect(answersWithin('price', seconds)).toBe(`answers 95 % of price changes within ${words}`),
)

describe('whatever the item', () => {
  const combinations = STATUS_NAMES.flatMap((status) => [null, ...REASONS].map((code) => ({ status, code })))

  test.each(combinations)('$status, $code: two or three whole sentences', ({ status, code }) => {
    for (const topic of TOPIC_NAMES) {
      for (const flow of [null, ...FLOWS]) {
        for (const nextAttemptAt of [null, at(600)]) {
          const reason = code === null ? null : because(code)
          const { sentences, text } = sellerAnswer(
            { ...price, status, reason, topic, flow, nextAttemptAt, failures: 2, sends: 2 },
            NOW,
          )
          expect(sentences.length).toBeGreaterThanOrEqual(2)
          expect(sentences.length).toBeLessThanOrEqual(3)
          for (const sentence of sentences) expect(sentence).toMatch(/^[A-Z“].*[^.]\.$/)
          expect(text).toContain('“Black T-shirt”')
          expect(text).not.toMatch(/undefined|null|NaN|Invalid|HTTP|SRE|callback|payload|\bworker\b|Ada/)
        }
      }
    }
  })
})

test.each([
  [-5, 'less than a second'],
  [0, 'less than a second'],
  [0.4, 'less than a second'],
  [1, '1 second'],
  [59, '59 seconds'],
  [59.6, '1 minute'],
  [60, '1 minute'],
  [89, '1 minute'],
  [27 * MINUTE, '27 minutes'],
  [59.6 * MINUTE, '1 hour'],
  [HOUR, '1 hour'],
  [HOUR + MINUTE, '1 hour 1 minute'],
  [8 * HOUR, '8 hours'],
  [26_040, '7 hours 14 minutes'],
  [DAY - 10, '1 day'],
  [DAY, '1 day'],
  [DAY + HOUR, '1 day 1 hour'],
  [10_384 * MINUTE, '7 days 5 hours'],
])('%f seconds are %s', (seconds, words) => expect(durationInWords(seconds)).toBe(words))
