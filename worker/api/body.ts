import type { IncomingMessage } from 'node:http'
import { LATE, within } from '../within.ts'

/** The client has gone, or was too slow. */
export class LostBody extends Error {}

/**
 * The body of a request, as far as it was asked for: what nobody has read stays with the client, and takes no memory
 * and no time here.
 */
export class Body {
  readonly #source: AsyncIterator<Buffer>
  readonly #deadline: number
  readonly #chunks: Buffer[] = []
  /** Bytes that have been read. */
  size = 0
  /** Whether that is all of it. */
  isWhole = false

  /** @param withinMs for all of it */
  constructor(incoming: IncomingMessage, withinMs: number) {
    this.#source = incoming.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]()
    this.#deadline = performance.now() + withinMs
  }

  /**
   * Reads until there are more than so many bytes, or all.
   *
   * @throws LostBody
   */
  async read(bytes: number): Promise<void> {
    while (!this.isWhole && this.size <= bytes) {
      const next = await within(Math.max(0, this.#deadline - performance.now()), this.#source.next()).catch((error) => {
        throw new LostBody((error as Error).message)
      })
      if (next === LATE) throw new LostBody('The body did not come in time.')
      if (next.done) this.isWhole = true
      else {
        this.#chunks.push(next.value)
        this.size += next.value.length
      }
    }
  }

  /** The first so many bytes of what has been read, as text. */
  text(bytes = this.size): string {
    return new TextDecoder().decode(Buffer.concat(this.#chunks, Math.min(bytes, this.size)))
  }

  /** Lets go of the request: what is left of it may be thrown away. */
  leave(): void {
    this.#source.return?.().catch(() => {}) // a client that has gone meanwhile has nothing left to be thrown away
  }
}

/**
 * The key in the `auth` call that leads a batch, found in the beginning of a body of which the rest has not been read.
 * Whatever is not the beginning of such a batch has none.
 *
 * @example leadingKey('[{"jsonrpc":"2.0","method":"auth","params":{"apiKey":"12345"}},{"jsonr') // '12345'
 */
export function leadingKey(head: string): unknown {
  const start = /^\s*\[?\s*(?=\{)/.exec(head)?.[0].length
  if (start === undefined) return undefined
  let depth = 0
  let isText = false
  for (let at = start; at < head.length; at++) {
    const character = head[at]
    if (isText) {
      if (character === '\\') at++
      else if (character === '"') isText = false
    } else if (character === '"') isText = true
    else if (character === '{') depth++
    else if (character === '}' && --depth === 0) return keyOf(head.slice(start, at + 1))
  }
  return undefined
}

function keyOf(json: string): unknown {
  try {
    const { jsonrpc, method, params } = JSON.parse(json)
    return jsonrpc === '2.0' && method === 'auth' ? params?.apiKey : undefined
  } catch {
    return undefined // no JSON: no key
  }
}
