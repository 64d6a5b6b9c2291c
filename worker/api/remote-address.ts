import { type AllowList, readAddress } from '../allow-list.ts'

/**
 * The client's address in canonical form: the peer of the socket, unless that is one of our proxies. Then it is the
 * rightmost address of X-Forwarded-For that is not one of our proxies: each proxy appends the peer it saw, and the
 * client may have written anything further left. An invalid entry ends the walk, and the last valid one counts as the
 * client.
 *
 * @param peer `socket.remoteAddress`, undefined once the client has gone
 * @param forwardedFor all X-Forwarded-For headers of the request, in order, joined by commas
 * @returns null when nobody can be named; no white list allows that
 */
export function remoteAddress(
  peer: string | undefined,
  forwardedFor: string | undefined,
  trustedProxies: AllowList,
): string | null {
  // The zone of a link-local peer is the name of our own interface.
  let client = readAddress(peer?.replace(/%.*$/, '') ?? '')?.toString() ?? null
  const entries = forwardedFor?.split(',') ?? []
  while (client !== null && trustedProxies.allows(client) && entries.length > 0) {
    const before = readAddress(withoutPort(entries.pop() ?? ''))
    if (before === null) break
    client = before.toString()
  }
  return client
}

/** Some proxies write `192.0.2.1:4711` and `[2001:db8::1]:4711`. */
function withoutPort(entry: string): string {
  const [, bracketed, dotted] = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(entry.trim()) ?? []
  return bracketed ?? dotted ?? entry.trim()
}
