import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * `npm run check:grafana`: checks the types of `plugin/src` against the oldest and the newest supported Grafana; `npm
 * run check` covers the versions between. Each is installed beside the project, some 400 packages in under a minute.
 */
const ENDS = [
  { grafana: '12.2.0', react: '18.3.1', types: ['18.3.31', '18.3.7'] },
  { grafana: '13.2.2', react: '19.3.1', types: ['19.3.3', '19.3.0'] },
]
const ROOT = join(import.meta.dirname, '..')
const OURS = ['@grafana/data', '@grafana/runtime', '@grafana/ui', '@types/react', '@types/react-dom'].map((name) =>
  join(ROOT, 'node_modules', name, '/'),
)

for (const { grafana, react, types } of ENDS) {
  const folder = mkdtempSync(join(tmpdir(), `grafana-${grafana}-`))
  const at = (...path: string[]) => [join(folder, 'node_modules', ...path)]
  try {
    writeJson(join(folder, 'package.json'), {
      dependencies: {
        ...Object.fromEntries(['data', 'runtime', 'ui'].map((name) => [`@grafana/${name}`, grafana])),
        react,
        'react-dom': react,
        '@types/react': types[0],
        '@types/react-dom': types[1],
      },
      overrides: { 'react-data-grid': '7.0.0-beta.56' }, // 12.2.0 requires a commit of a fork, which no registry has
    })
    execFileSync(
      'npm',
      ['install', '--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund', '--loglevel=error'],
      {
        cwd: folder,
        stdio: 'inherit',
      },
    )
    writeJson(join(folder, 'tsconfig.json'), {
      extends: join(ROOT, 'plugin/tsconfig.json'),
      compilerOptions: {
        noEmit: true,
        skipLibCheck: true,
        typeRoots: [...at('@types'), join(ROOT, 'node_modules/@types')],
        // also when the importer is a library that the pages use
        paths: {
          '@grafana/*': at('@grafana/*'),
          ...Object.fromEntries(
            ['react', 'react-dom'].flatMap((name) => [
              [name, at('@types', name)],
              [`${name}/*`, at('@types', name, '*')],
            ]),
          ),
        },
      },
      include: [join(ROOT, 'plugin/src')],
    })
    const tsc = join(ROOT, 'node_modules/.bin/tsc')
    execFileSync(tsc, ['-p', folder], { stdio: 'inherit' })
    const files = execFileSync(tsc, ['-p', folder, '--listFilesOnly'], { encoding: 'utf8', maxBuffer: 1e7 })
    const ours = files.split('\n').find((file) => OURS.some((own) => file.startsWith(own)))
    if (ours) throw new Error(`Not the types of that end, but the project's own: ${ours}`)
    process.stdout.write(`The types of the plugin are right with Grafana ${grafana} and React ${react}\n`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function writeJson(file: string, content: object): void {
  writeFileSync(file, JSON.stringify(content))
}
