import { z } from '@hono/zod-openapi'

type Schema = Record<string, unknown>
interface Operation {
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>
}
export interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

export interface Answers {
  /** Throws if the document does not allow this answer. Unknown paths and methods are skipped. */
  check(method: string, path: string, status: number, body: unknown): void
  /** Throws if the value does not match the component. */
  checkComponent(name: string, value: unknown): void
  /** The operations that have given a correct success response: `GET /api/items/{id}`. */
  succeeded: ReadonlySet<string>
}

/**
 * Checks answers of the internal API against its OpenAPI document: nothing may be missing, of another type, or
 * undocumented.
 */
export function answersOf(document: unknown): Answers {
  const { paths, components } = document as Document
  const $defs = Object.fromEntries(Object.entries(components.schemas).map(([name, schema]) => [name, exact(schema)]))
  const patterns = Object.keys(paths).map((path) => ({
    path,
    pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`),
  }))
  const known = new Map<string, z.ZodType>()
  const succeeded = new Set<string>()

  function hold(name: string, schema: Schema, value: unknown): void {
    const type = known.get(name) ?? z.fromJSONSchema({ ...(exact(schema) as object), $defs } as never)
    known.set(name, type)
    const { error } = type.safeParse(value)
    if (error)
      throw new Error(
        `${name} is not as openapi.json says: ${z.prettifyError(error)}\n${JSON.stringify(value).slice(0, 2000)}`,
      )
  }

  return {
    succeeded,
    checkComponent: (name, value) => hold(name, { $ref: `#/components/schemas/${name}` }, value),
    check(method, url, status, body) {
      const path = patterns.find(({ pattern }) => pattern.test(url.split('?')[0]!))?.path
      const operation = path && paths[path]?.[method.toLowerCase()]
      if (!operation) return
      const name = `${method} ${path}`
      const answer = operation.responses[status]
      if (!answer) throw new Error(`${name} answered ${status}, of which openapi.json knows nothing`)
      for (const [type, { schema }] of Object.entries(answer.content ?? {}))
        if (type.endsWith('json')) hold(`${name} ${status}`, schema, body)
      if (status < 300) succeeded.add(name)
    },
  }
}

/**
 * The same schema with its references where `z.fromJSONSchema` expects them, and without room for undocumented fields.
 */
function exact(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(exact)
  if (typeof schema !== 'object' || schema === null) return schema
  const copy = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, exact(value)]))
  if (typeof copy.$ref === 'string') copy.$ref = copy.$ref.replace('#/components/schemas/', '#/$defs/')
  return copy.properties && copy.additionalProperties === undefined ? { ...copy, additionalProperties: false } : copy
}
