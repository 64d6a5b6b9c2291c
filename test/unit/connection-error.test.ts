import { expect, test } from 'vitest'
import { isConnectionError } from '../../worker/database/database.ts'

const errorOf = (code: string, syscall?: string) =>
  Object.assign(new Error(code), { code, ...(syscall && { syscall }) })

test.for([
  ['a socket that was cut', errorOf('ECONNRESET', 'read')],
  ['a route that is gone', errorOf('EHOSTUNREACH', 'connect')],
  ['a name that cannot be resolved now', errorOf('EAI_AGAIN', 'getaddrinfo')],
  ['a name of which no address can be reached', new AggregateError([errorOf('ENETUNREACH', 'connect')])],
  ['a socket that was closed before it was connected', errorOf('ERR_SOCKET_CLOSED_BEFORE_CONNECTION')],
  ['postgres: closed', errorOf('CONNECTION_CLOSED')],
  ['postgres: not connected in time', errorOf('CONNECT_TIMEOUT')],
  ['PostgreSQL: it is shutting down', errorOf('57P01')],
  ['PostgreSQL: a transaction that was idle for too long', errorOf('25P03')],
  ['PostgreSQL: too many connections', errorOf('53300')],
] as const)('%s: the connection is at fault', ([, error]) => {
  expect(isConnectionError(error)).toBe(true)
})

test.for([
  ['a row that is there already', errorOf('23505')],
  ['a lock that was not to be had', errorOf('55P03')],
  ['a statement that took too long', errorOf('57014')],
  ['an error of ours', new TypeError('undefined is not iterable')],
  ['nothing', undefined],
] as const)('%s: it is not', ([, error]) => {
  expect(isConnectionError(error)).toBe(false)
})
