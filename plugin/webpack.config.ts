import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import CopyPlugin from 'copy-webpack-plugin'
import type { Configuration } from 'webpack'

/**
 * The plugin as Grafana loads it, in the form that @grafana/create-plugin uses: an AMD module without what Grafana
 * shares, and pages in separate chunks.
 */
const SOURCE = join(import.meta.dirname, 'src')
const ROOT = join(import.meta.dirname, '..')
const { id } = JSON.parse(readFileSync(join(SOURCE, 'plugin.json'), 'utf8')) as { id: string }
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }

const filled = (content: Buffer): string =>
  content.toString().replaceAll('%VERSION%', version).replaceAll('%TODAY%', new Date().toISOString().slice(0, 10))

const config: Configuration = {
  mode: 'production',
  target: ['web', 'es2020'],
  context: SOURCE,
  entry: { module: './module.tsx' },
  devtool: 'source-map',
  externals: [
    { 'amd-module': 'module' },
    'react',
    'react-dom',
    'rxjs',
    'moment',
    'lodash',
    '@emotion/css',
    '@emotion/react',
    /^@grafana\/(data|ui|runtime)$/,
  ],
  resolve: {
    extensions: ['.ts', '.tsx', '.js'],
    alias: { 'react/jsx-runtime': join(SOURCE, 'jsx-runtime.ts') },
  },
  module: {
    rules: [
      {
        test: /\.tsx?$/,
        loader: 'swc-loader',
        options: {
          jsc: {
            target: 'es2020',
            parser: { syntax: 'typescript', tsx: true },
            transform: { react: { runtime: 'classic' } },
          },
        },
      },
    ],
  },
  output: {
    path: join(import.meta.dirname, 'dist'),
    clean: true,
    filename: '[name].js',
    chunkFilename: '[name].js?_cache=[contenthash]',
    library: { type: 'amd' },
    publicPath: `public/plugins/${id}/`,
    uniqueName: id,
  },
  plugins: [
    new CopyPlugin({
      patterns: [{ from: 'plugin.json', transform: filled }, { from: '*.md' }, { from: 'img/**' }],
    }),
  ],
}

export default config
