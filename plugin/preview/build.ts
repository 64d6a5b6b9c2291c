import { join } from 'node:path'
import { build, type Rolldown } from 'vite'

const PREVIEW = import.meta.dirname
const SOURCE = join(PREVIEW, '..', 'src')

/**
 * Bundles the pages with their host page in memory, so that another preview starting meanwhile does not touch its
 * files.
 *
 * @returns the files by name
 */
export async function buildPreview(): Promise<ReadonlyMap<string, string | Uint8Array<ArrayBuffer>>> {
  const built = await build({
    configFile: false,
    root: PREVIEW,
    base: '/preview/',
    logLevel: 'error',
    define: { 'process.env': '{}', 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
    oxc: { jsx: { runtime: 'classic' } },
    plugins: [
      {
        name: 'plugin-page',
        enforce: 'pre',
        // the pages get the preview's PluginPage; every other importer gets the original runtime
        resolveId: (source, importer) =>
          source === '@grafana/runtime' && importer?.startsWith(SOURCE) ? join(PREVIEW, 'runtime.tsx') : null,
      },
    ],
    build: { write: false, chunkSizeWarningLimit: 20_000, sourcemap: false },
  })
  const { output } = built as Rolldown.RolldownOutput
  return new Map(
    output.map((file) => [
      file.fileName,
      file.type === 'chunk' ? file.code : (file.source as string | Uint8Array<ArrayBuffer>),
    ]),
  )
}
