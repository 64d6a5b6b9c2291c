import { randomUUID } from 'node:crypto'
import { inject } from 'vitest'
import { connect, type Sql } from '../worker/database/database.ts'
import { migrate } from '../worker/migrate.ts'

export interface Database {
  /** For the owner. */
  url: string
  /** For a login with a worker's rights. */
  workerUrl: string
  sql: Sql
  /** Closes the pool and drops the database. */
  drop(): Promise<void>
}

/** A separate database in the cluster of the test run, with the schema and today's partitions. */
export async function createDatabase({ migrated = true } = {}): Promise<Database> {
  const server = inject('postgresUrl')
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const url = server.replace(/\/postgres$/, `/${name}`)
  await once(server, `create database ${name}`)
  const sql = connect(url, { max: 4, name: 'test' })
  if (migrated) {
    await migrate(sql)
    await makeWorkerLogin(sql)
  }
  return {
    url,
    workerUrl: asWorker(url),
    sql,
    async drop() {
      await sql.end({ timeout: 5 })
      await once(server, `drop database ${name} with (force)`)
    },
  }
}

/** A login belongs to the whole cluster: a second creation finds it there. */
export const makeWorkerLogin = (sql: Sql) => sql`
  do $$ begin
    create role worker login password 'worker' in role shop_update_worker;
  exception when duplicate_object or unique_violation then null;
  end $$`

/** The same database, for that login. */
export function asWorker(url: string): string {
  const theirs = new URL(url)
  theirs.username = theirs.password = 'worker'
  return theirs.href
}

async function once(url: string, statement: string): Promise<void> {
  const sql = connect(url, { max: 1, name: 'test' })
  await sql.unsafe(statement)
  await sql.end({ timeout: 5 })
}
