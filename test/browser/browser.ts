import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const SYSTEM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The system's Chromium if there is one, else the one from npm with the libraries that a bare machine lacks. */
export async function startBrowser(): Promise<Browser> {
  const system = SYSTEM.find(existsSync)
  if (system) return chromium.launch({ executablePath: system, args: QUIET })
  // It unpacks its libraries only if it finds these two.
  process.env.AWS_EXECUTION_ENV = 'AWS_Lambda_nodejs22.x'
  process.env.AWS_LAMBDA_JS_RUNTIME = 'nodejs22.x'
  const { default: bundled, setupLambdaEnvironment } = await import('@sparticuz/chromium')
  const libraries = join(tmpdir(), 'al2023', 'lib')
  setupLambdaEnvironment(libraries)
  return chromium.launch({
    executablePath: await bundled.executablePath(),
    args: QUIET,
    env: { ...process.env, LD_LIBRARY_PATH: libraries } as Record<string, string>,
  })
}
