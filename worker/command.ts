import { checkPatches } from './patched.ts'
import { UsageError } from './usage-error.ts'

/** Such a pooler supports neither notifications nor a lock that outlives a transaction. */
export const POOLED =
  'DATABASE_URL: it leads to a pooler that keeps no session (pgbouncer in transaction mode): give the address of ' +
  'PostgreSQL itself, or of a pooler in session mode that passes settings on.'

/**
 * Runs a command line command. An error that the user can fix is printed as one sentence, any other with its stack;
 * both exit with code 1.
 */
export async function runCommand(command: () => Promise<void>): Promise<void> {
  try {
    await checkPatches()
    await command()
  } catch (error) {
    process.stderr.write(`${sentenceOf(error)}\n`)
    process.exitCode = 1
  }
}

function sentenceOf(error: unknown): string {
  if (error instanceof UsageError) return error.message
  const { code, address, port, hostname } = error as {
    code?: string
    address?: string | string[]
    port?: number | number[]
    hostname?: string
  }
  // the pooler refuses a session setting, or a prepared statement belongs to another session
  if (code && /^(08P01|26000|42P05)$/.test(code)) return POOLED
  if (code === '28P01' || code === '28000') return 'DATABASE_URL: the database refused the user name or password.'
  if (code === '3D000') return 'DATABASE_URL: the database of that name does not exist.'
  if (code && /^(53300|57P03)$/.test(code))
    return `DATABASE_URL: the database takes no connection now (${(error as Error).message}).`
  const where =
    [address, port].flat().filter(Boolean).join(':') ||
    (hostname ? `no address is known for the host ${hostname}` : code)
  if (code && /^(CONNECTION_CLOSED|ECONNRESET|EPIPE|57P0[12])$/.test(code))
    return `DATABASE_URL: the database broke off the connection (${where}).`
  if (code && /^(ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|CONNECT_TIMEOUT|EHOSTUNREACH)/.test(code)) {
    return `DATABASE_URL: the database cannot be reached (${where}).`
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
