import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'vite'

const PREVIEW = import.meta.dirname
const SOURCE = join(PREVIEW, '..', 'src')

/**
 * Bundles the pages with their host page into a folder of its own: another preview that starts meanwhile takes nothing from under this one.
 *
 * @returns the folder
 */
export async function buildPreview(): Promise<string> {
  const outDir = await mkdtemp(join(tmpdir(), 'shop-update-preview-'))
  await build({
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
        // the pages get the preview's PluginPage, everybody else the runtime as it is
        resolveId: (source, importer) =>
          source === '@grafana/runtime' && importer?.startsWith(SOURCE) ? join(PREVIEW, 'runtime.tsx') : null,
      },
    ],
    build: { outDir, emptyOutDir: true, chunkSizeWarningLimit: 20_000, sourcemap: false },
  })
  return outDir
}

/** The host page, which asks the server first who looks at it: the packages read that while they load. */
export const readPage = async (built: string): Promise<string> =>
  (await readFile(join(built, 'index.html'), 'utf8')).replace('</title>', '</title>\n    <script src="/preview/boot.js"></script>')
