import type { IncomingMessage } from 'node:http'
import { LATE, within } from '../within.ts'

/** The client has gone or was too slow. */
export class LostBody extends Error {}

/** The body of a request, read on demand. What is not read stays with the client and costs no memory or time here. */
export class Body {
  readonly #incoming: IncomingMessage
  /** Only of a body that has to be waited for. */
  #source: AsyncIterator<Buffer> | undefined
  readonly #deadline: number
  readonly #chunks: Buffer[] = []
  /** Bytes read so far. */
  size = 0
  /** Whether the whole body has been read. */
  isWhole = false

  /** @param withinMs for the whole body */
  constructor(incoming: IncomingMessage, withinMs: number) {
    this.#incoming = incoming
    this.#deadline = performance.now() + withinMs
  }

  /**
   * Reads until there are more than `bytes` bytes, or all of them. A small body has usually come with its headers, and
   * is read without waiting: an iterator and a timer would be a seventh of the time of a request.
   *
   * @throws LostBody
   */
  async read(bytes: number): Promise<void> {
    if (this.#source === undefined) {
      this.#keep(this.#incoming.read())
      this.isWhole = this.size === Number(this.#incoming.headers['content-length'])
    }
    while (!this.isWhole && this.size <= bytes) {
      this.#source ??= this.#incoming.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]()
      const next = await within(Math.max(0, this.#deadline - performance.now()), this.#source.next()).catch((error) => {
        throw new LostBody((error as Error).message)
      })
      if (next === LATE) throw new LostBody('The body did not come in time.')
      if (next.done) this.isWhole = true
      else this.#keep(next.value)
    }
  }

  #keep(chunk: Buffer | null): void {
    if (chunk === null) return
    this.#chunks.push(chunk)
    this.size += chunk.length
  }

  /** The first `bytes` bytes that were read, as text. */
  text(bytes = this.size): string {
    return Buffer.concat(this.#chunks, Math.min(bytes, this.size)).toString()
  }

  /** Lets go of the request: the rest of its body may be discarded. */
  leave(): void {
    if (this.isWhole) this.#incoming.resume() // to its end, of which nobody has been told yet
    this.#source?.return?.().catch(() => {}) // if the client has gone meanwhile, there is nothing to discard
  }
}

/**
 * The key in the `auth` call that leads a batch, found in the beginning of a body that is not fully read. Anything else
 * than the beginning of such a batch has no key.
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
    return undefined // not JSON: no key
  }
}
