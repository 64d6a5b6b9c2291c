import { readFile, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { BrokenCatalogue } from './catalogue/broken.ts'
import { type Loaded, loadCatalogue } from './catalogue/load.ts'
import { type Assumption, type FileSet, parseCatalogue } from './catalogue/parse.ts'
import { runCommand } from './command.ts'
import { readDatabaseUrl } from './config.ts'
import { connect } from './database/database.ts'
import { checkSchema } from './migrate.ts'
import { UsageError } from './usage-error.ts'

const USAGE = 'Usage: npm run import -- FILE.csv ... [--seller NAME] [--enqueue]'

/** A file is read as a whole because it is loaded as a whole. This size is some hundred thousand products. */
const MAX_MEGABYTES = 256

/** The command line's arguments. Throws UsageError for anything else. */
function readArguments(): { files: string[]; seller: string | undefined; enqueue: boolean } {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: { seller: { type: 'string' }, enqueue: { type: 'boolean', default: false } },
    })
    const seller = values.seller?.trim().normalize('NFC')
    if (positionals.length > 0 && seller !== '') return { files: positionals, seller, enqueue: values.enqueue }
  } catch (error) {
    if (!(error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS_')) throw error
  }
  throw new UsageError(USAGE)
}

/** Throws UsageError with the file's name if the file cannot be read or is broken. */
async function readCatalogueFile(
  file: string,
  seller: string | undefined,
): Promise<{ sets: FileSet[]; assumed: string[] }> {
  try {
    const { size } = await stat(file)
    if (size > MAX_MEGABYTES * 2 ** 20)
      throw new BrokenCatalogue(`the file has more than ${MAX_MEGABYTES} MB; split it between two handles.`)
    const rows = new Map<Assumption, number>()
    const sets = parseCatalogue(await readFile(file), {
      seller,
      assume: (what) => rows.set(what, (rows.get(what) ?? 0) + 1),
    })
    return { sets, assumed: [...rows].map(([what, n]) => ASSUMED[what](n)) }
  } catch (error) {
    if (error instanceof BrokenCatalogue) throw new UsageError(`${basename(file)} was not loaded: ${error.message}`)
    const { code } = error as { code?: string }
    if (code === 'ENOENT') throw new UsageError(`${file} was not loaded: there is no such file.`)
    if (code === 'EISDIR') throw new UsageError(`${file} was not loaded: it is a folder.`)
    if (code === 'EACCES' || code === 'EPERM') throw new UsageError(`${file} was not loaded: it may not be read.`)
    throw error
  }
}

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`

/** What was assumed for what the file leaves open. */
const ASSUMED: Record<Assumption, (rows: number) => string> = {
  stock_not_in_file: (n) => `Stock is not in the file (${counted(n, 'row')}): kept for known products, 0 for new ones.`,
  stock_not_tracked: (n) =>
    `Stock is not tracked by the shop in ${counted(n, 'row')}: taken where it is more than 0, else kept for known ` +
    'products, 0 for new ones.',
  other_title: (n) =>
    `The Title differs from that of the handle's first row in ${counted(n, 'row')}: the first one holds.`,
}

const sentence = ({ products, productSets, images }: Loaded, file: string): string =>
  `Loaded ${counted(products, 'product')} in ${counted(productSets, 'product set')} with ` +
  `${counted(images, 'image')} from ${basename(file)}.`

/** Files are independent: a broken one is reported, and the others are still loaded. */
await runCommand(async () => {
  const { files, seller, enqueue } = readArguments()
  const sql = connect(readDatabaseUrl(process.env), { max: 1, name: 'import' })
  try {
    await checkSchema(sql)
    for (const file of files) {
      await runCommand(async () => {
        const { sets, assumed } = await readCatalogueFile(file, seller)
        const loaded = await loadCatalogue(sql, sets, { enqueue })
        process.stdout.write(`${[sentence(loaded, file), ...assumed].join(' ')}\n`)
      })
    }
  } finally {
    await sql.end({ timeout: 5 })
  }
})
