import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { CallbackTarget } from './callbacks.ts'
import { controlApi } from './control.ts'
import { takeRequest } from './exchange.ts'
import type { ReceivedCall } from './memory.ts'
import type { FirstIds } from './products.ts'
import { State } from './state.ts'
import { readSettings, type SettingsInput } from './troubles.ts'

export interface ShopOptions {
  /** 127.0.0.1 by default. */
  host?: string | undefined
  /** Any free port by default, or if 0. */
  port?: number | undefined
  /** Where callbacks go. Without a target they cannot be delivered (see `callbackTo`). */
  callback?: CallbackTarget | undefined
  /** What the `auth` element must contain; if missing, it is not checked. */
  credentials?: { username: string; password: string } | undefined
  /** The first src ids: 9001 for products, 701 for sets. */
  firstIds?: Partial<FirstIds> | undefined
  /** The initial settings, to which a reset returns. */
  settings?: SettingsInput | undefined
}

export interface RunningShop {
  /**
   * `http://host:port`, without a trailing slash. Calls go to `/` or any other path; the control API is under
   * `/_shop/`.
   */
  url: string
  port: number
  /** Changes where callbacks go: the port of a worker that takes any free port is known only once it runs. */
  callbackTo(target: CallbackTarget): void
  /** The calls that are still kept, newest first. */
  calls(): ReceivedCall[]
  /** Resolves as soon as no callback is pending. */
  callbacksSettled(): Promise<void>
  /** Stops at once: open connections are destroyed, and pending callbacks are never sent. */
  stop(): Promise<void>
}

/** Starts a Shop that speaks docs/shop-protocol.md. For a wrong setting, throws one sentence that names the field. */
export async function startShop(options: ShopOptions = {}): Promise<RunningShop> {
  const { host = '127.0.0.1', port = 0, callback, credentials, firstIds, settings = {} } = options
  const read = readSettings(settings)
  if ('error' in read) throw new Error(read.error)
  const state = new State(read.settings, { product: 9001, config: 701, ...firstIds }, credentials, callback)
  const control = getRequestListener(controlApi(state).fetch, { overrideGlobalObjects: false })

  // Longer than any client keeps an idle connection, so that the Shop never closes one just as it is used.
  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    if (request.method === 'POST' && !request.url?.startsWith('/_shop/')) takeRequest(state, request, response)
    else void control(request, response)
  })
  state.limits.watch(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })

  const address = server.address() as AddressInfo
  return {
    url: `http://${host}:${address.port}`,
    port: address.port,
    callbackTo: (target) => {
      state.callbackTarget = target
    },
    calls: () => state.memory.calls(),
    callbacksSettled: () => state.callbacks.settled(),
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await Promise.all([closed, state.callbacks.stop()])
    },
  }
}
