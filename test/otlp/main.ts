import { startReceiver } from './receiver.ts'

/** A receiver as a process of its own, which counts and keeps nothing. `GET /` tells what came. */
const receiver = await startReceiver({ port: Number(process.env.OTLP_PORT ?? 0), keep: false })
process.stdout.write(`${JSON.stringify({ listening: receiver.url })}\n`)
process.on('SIGTERM', () => process.exit(0))
