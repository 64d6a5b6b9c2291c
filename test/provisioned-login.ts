import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Sql } from '../worker/database/database.ts'

/**
 * Runs a file of `provisioning/postgres` like psql: the line that fetches the password from the environment is psql's
 * own syntax.
 */
export async function provisionLogin(sql: Sql, login: 'grafana' | 'worker', password: string): Promise<void> {
  const text = await readFile(join(import.meta.dirname, '../provisioning/postgres', `${login}-login.sql`), 'utf8')
  await sql.unsafe(text.replace(/^\\.*$/gm, '').replaceAll(":'password'", `'${password}'`))
}
