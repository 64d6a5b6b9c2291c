import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** PROMTOOL_BIN, else promtool from PATH; null where there is none. */
export function findPromtool(env: NodeJS.ProcessEnv): string | null {
  const places = env.PROMTOOL_BIN ? [env.PROMTOOL_BIN] : (env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'promtool'))
  return places.find(isProgram) ?? null
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const run = promisify(execFile)

/** @throws with what promtool printed */
export async function promtool(bin: string, ...args: string[]): Promise<void> {
  await run(bin, args).catch(({ message, stdout, stderr }: Error & { stdout?: string; stderr?: string }) => {
    throw new Error([stdout, stderr].filter(Boolean).join('\n') || message)
  })
}
