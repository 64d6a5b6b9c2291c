import { z } from 'zod'
import { startShop } from './shop.ts'
import type { SettingsInput } from './troubles.ts'

const id = z.coerce.number().int().min(1)

function parseSettings(json: string, { addIssue }: z.RefinementCtx): SettingsInput {
  try {
    return JSON.parse(json)
  } catch {
    addIssue('expected JSON')
    return z.NEVER
  }
}

/** An empty variable counts as not set: compose files and shells produce both. */
const environment = z
  .object({
    SHOP_HOST: z.string().default('127.0.0.1'),
    SHOP_PORT: z.coerce.number().int().min(0).max(65535).default(8090),
    SHOP_USERNAME: z.string().optional(),
    SHOP_PASSWORD: z.string().optional(),
    CALLBACK_URL: z.url().optional(),
    CALLBACK_API_KEY: z.string().default(''),
    SHOP_FIRST_PRODUCT_ID: id.default(9001),
    SHOP_FIRST_CONFIG_ID: id.default(701),
    /** The initial settings as JSON, as for PUT /_shop/troubles. */
    SHOP_SETTINGS: z.string().default('{}').transform(parseSettings),
  })
  .safeParse(Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== '')))

function fail(sentence: string): never {
  process.stderr.write(`${sentence}\n`)
  process.exit(1)
}

if (!environment.success)
  fail(environment.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
const env = environment.data

const shop = await startShop({
  host: env.SHOP_HOST,
  port: env.SHOP_PORT,
  callback: env.CALLBACK_URL === undefined ? undefined : { url: env.CALLBACK_URL, apiKey: env.CALLBACK_API_KEY },
  credentials:
    env.SHOP_USERNAME === undefined ? undefined : { username: env.SHOP_USERNAME, password: env.SHOP_PASSWORD ?? '' },
  firstIds: { product: env.SHOP_FIRST_PRODUCT_ID, config: env.SHOP_FIRST_CONFIG_ID },
  settings: env.SHOP_SETTINGS,
}).catch((error: Error) => fail(`The Shop did not start: ${error.message}`))

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void shop.stop())
process.stdout.write(`${JSON.stringify({ listening: shop.url })}\n`)
