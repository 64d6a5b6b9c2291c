import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'vite'

const PREVIEW = import.meta.dirname
const SOURCE = join(PREVIEW, '..', 'src')
export const BUILT = join(PREVIEW, 'dist')

/** Bundles the pages with their host page into `plugin/preview/dist`. */
export async function buildPreview(): Promise<void> {
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
    build: { outDir: BUILT, emptyOutDir: true, chunkSizeWarningLimit: 20_000, sourcemap: false },
  })
}

/** The host page, which asks the server first who looks at it: the packages read that while they load. */
export const page = async (): Promise<string> =>
  (await readFile(join(BUILT, 'index.html'), 'utf8')).replace('</title>', '</title>\n    <script src="/preview/boot.js"></script>')
