import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { alertFiles } from './alerts/files.ts'
import { dashboardFiles } from './dashboards/files.ts'
import type { GeneratedFile } from './generated-file.ts'

export const GENERATED_INTO = join(import.meta.dirname, 'grafana')

export const generatedFiles = (): GeneratedFile[] => [...dashboardFiles(), ...alertFiles()]

if (import.meta.main) {
  for (const { path, text } of generatedFiles()) {
    const to = join(GENERATED_INTO, path)
    await mkdir(dirname(to), { recursive: true })
    await writeFile(to, text)
  }
}
