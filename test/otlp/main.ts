import { startReceiver } from './receiver.ts'

/**
 * A receiver as a process of its own, which counts and keeps nothing. `GET /` tells what came. At SIGTERM it answers
 * what has come, and its last line is what it has taken in all.
 */
const receiver = await startReceiver({ port: Number(process.env.OTLP_PORT ?? 0), keep: false })
process.stdout.write(`${JSON.stringify({ listening: receiver.url })}\n`)
process.once('SIGTERM', async () => {
  await receiver.stop()
  process.stdout.write(`${JSON.stringify(receiver.received.counts)}\n`, () => process.exit(0))
})
