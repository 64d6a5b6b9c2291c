import { startReceiver } from './receiver.ts'

/**
 * A receiver as a separate process, which only counts. `GET /` returns what has arrived. On SIGTERM it answers pending
 * requests, and its last line is the total.
 */
const receiver = await startReceiver({ port: Number(process.env.OTLP_PORT ?? 0), keep: false })
process.stdout.write(`${JSON.stringify({ listening: receiver.url })}\n`)
process.once('SIGTERM', async () => {
  await receiver.stop()
  process.stdout.write(`${JSON.stringify(receiver.received.counts)}\n`, () => process.exit(0))
})
