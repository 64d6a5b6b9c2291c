import { cp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { alertFiles } from '../../provisioning/alerts/files.ts'
import type { Pace } from '../../provisioning/alerts/promql.ts'

const PROVISIONING = join(import.meta.dirname, '../../provisioning/grafana')

/**
 * The folder of Grafana's provisioning: the original or, for a drill, a copy in `folder` with another pace of the alert
 * rules.
 */
export async function grafanaProvisioning(folder: string, pace: Pace): Promise<string> {
  if (pace === 1) return PROVISIONING
  const copy = join(folder, 'provisioning')
  await cp(PROVISIONING, copy, { recursive: true })
  for (const { path, text } of alertFiles(pace)) await writeFile(join(copy, path), text)
  return copy
}
