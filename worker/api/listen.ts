import type { Server } from 'node:net'
import { serve } from '@hono/node-server'
import { ConfigError } from '../config.ts'
import { SERVER_OPTIONS } from './connections.ts'

export interface Listening {
  server: Server
  url: string
  /** Takes nothing new, and resolves when what is under way has been answered: at the latest after two seconds. */
  close(): Promise<void>
}

/** @returns rejects with the system's error if the address cannot be had */
export async function listen(
  app: { fetch: Parameters<typeof serve>[0]['fetch'] },
  hostname: string,
  port: number,
): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname, port, serverOptions: SERVER_OPTIONS }, ({ port: bound }) =>
      resolve({
        server,
        url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${bound}`,
        close: () =>
          new Promise((closed) => {
            server.close(() => closed())
            if ('closeAllConnections' in server) setTimeout(() => server.closeAllConnections(), 2000).unref()
          }),
      }),
    )
    server.once('error', reject)
  })
}

/** An error of `listen`; a port that is in use is named by its variable. */
export const listenError = (error: NodeJS.ErrnoException, variable: 'PUBLIC_PORT' | 'INTERNAL_PORT', port: number) =>
  error.code === 'EADDRINUSE' ? new ConfigError(`${variable}: port ${port} is in use already.`) : error
