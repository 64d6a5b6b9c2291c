import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** PROMTOOL_BIN, else promtool from PATH; null if there is none. */
export const findPromtool = (env: NodeJS.ProcessEnv): string | null => findProgram('promtool', env.PROMTOOL_BIN, env)

/** @param at its stated path; otherwise PATH is searched */
export function findProgram(name: string, at: string | undefined, env: NodeJS.ProcessEnv): string | null {
  const places = at ? [at] : (env.PATH ?? '').split(delimiter).map((folder) => join(folder, name))
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

/** @throws with promtool's output */
export async function promtool(bin: string, ...args: string[]): Promise<void> {
  await run(bin, args).catch(({ message, stdout, stderr }: Error & { stdout?: string; stderr?: string }) => {
    throw new Error([stdout, stderr].filter(Boolean).join('\n') || message)
  })
}
