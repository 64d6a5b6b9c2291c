import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What Grafana posts to a webhook, as far as it is used. */
export interface Notification {
  status: 'firing' | 'resolved'
  title: string
  message: string
  alerts: { status: string; labels: Record<string, string>; annotations: Record<string, string> }[]
}

export const PAGER_PATHS = { pager: '/pager', tickets: '/tickets', watchdog: '/watchdog' } as const
export type PagerPath = keyof typeof PAGER_PATHS

export interface Pager {
  port: number
  /** Everything received, by path, in order. */
  received: Record<PagerPath, Notification[]>
  stop(): Promise<void>
}

/** Receives what Grafana sends to on-call. */
export async function startPager(host: string): Promise<Pager> {
  const received: Pager['received'] = { pager: [], tickets: [], watchdog: [] }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const path = (Object.keys(PAGER_PATHS) as PagerPath[]).find((each) => PAGER_PATHS[each] === request.url)
    if (path) received[path].push(JSON.parse(Buffer.concat(chunks).toString()) as Notification)
    response.writeHead(path ? 200 : 404).end()
  }).listen(0, host)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    received,
    async stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** The variables that point Grafana to it. */
export const pagerEnvironment = (baseUrl: string) => ({
  ALERT_WEBHOOK_URL: `${baseUrl}${PAGER_PATHS.pager}`,
  ALERT_TICKET_WEBHOOK_URL: `${baseUrl}${PAGER_PATHS.tickets}`,
  ALERT_WATCHDOG_URL: `${baseUrl}${PAGER_PATHS.watchdog}`,
})
