/** A field of a protobuf message: a number for varints and fixed32, a bigint for fixed64, bytes for the rest. */
export interface Field {
  no: number
  value: number | bigint | Buffer
}

/** The fields of a protobuf message, in order. */
export function* fields(message: Buffer): Generator<Field> {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at++]!
      value += (byte & 127) * shift
      if (byte < 128) return value
    }
  }
  while (at < message.length) {
    const key = varint()
    const no = Math.floor(key / 8)
    switch (key & 7) {
      case 0:
        yield { no, value: varint() }
        break
      case 1:
        yield { no, value: message.readBigUInt64LE(at) }
        at += 8
        break
      case 2: {
        const length = varint()
        yield { no, value: message.subarray(at, at + length) }
        at += length
        break
      }
      case 5:
        yield { no, value: message.readUInt32LE(at) }
        at += 4
        break
      default:
        throw new Error(`No protobuf: wire type ${key & 7}`)
    }
  }
}

/** The messages in field `no`. */
export function* messages(message: Buffer, no: number): Generator<Buffer> {
  for (const field of fields(message)) if (field.no === no) yield field.value as Buffer
}

/** How many spans or log records a request has, without decoding them. */
export function countEntries(request: Buffer): number {
  let count = 0
  for (const resource of messages(request, 1))
    for (const scope of messages(resource, 2)) for (const _ of messages(scope, 2)) count++
  return count
}
