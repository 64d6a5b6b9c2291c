import type { TestProject } from 'vitest/node'
import { startPostgres } from '../demo/postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** For the superuser, to the database `postgres` of the cluster that all test files share. */
    postgresUrl: string
  }
}

/** One PostgreSQL for all test files; each creates its own database in it (`createDatabase`). */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const cluster = await startPostgres({ flags: ['fsync=off', 'max_wal_size=2GB'] })
  project.provide('postgresUrl', cluster.url('postgres'))
  return () => cluster.stop()
}
