import { UsageError } from '../../worker/usage-error.ts'
import { FEEDBACK_TROUBLES, tryFeedback } from '../feedback.ts'
import { startRig } from './rig.ts'

/**
 * Products change their states while workers and a consumer of the feedback are killed at random. The figure counts
 * only if the consumer ends with what the view has, and was told nothing twice.
 */
export async function feedback(options: { products: number; seed: number }, log: (line: string) => void) {
  const rig = await startRig({ settings: FEEDBACK_TROUBLES, statements: false })
  try {
    const tried = await tryFeedback({ ...rig, startWorker: (env) => rig.startWorker(env) }, options, log)
    if (tried.different > 0 || tried.repeated > 0)
      throw new UsageError(`The consumer ends with ${tried.different} others, and was told ${tried.repeated} twice.`)
    return { name: 'feedback', ...tried }
  } finally {
    await rig.stop()
  }
}
