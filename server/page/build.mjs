/**
 * Bundles the page into dist/server/page: scripts and styles under names that change with what is in them, each
 * also compressed, and the two documents that name them, in which `{{> head}}` stands for head.html. Runs after tsc, as part of `npm run build`.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { build } from 'esbuild'

const SOURCES = 'server/page'
const OUT = 'dist/server/page'
/** Each document, its entry point, and the way from it to the root. */
const DOCUMENTS = [
  { name: 'index.html', entry: 'main', root: '' },
  { name: 'drop.html', entry: 'drop', root: '../' },
]

const bundle = (options) =>
  build({
    bundle: true,
    minify: true,
    metafile: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    outdir: OUT,
    entryNames: '[name]-[hash]',
    chunkNames: 'shared-[hash]',
    legalComments: 'none',
    logLevel: 'warning',
    ...options,
  })

/** The output of an entry point, from esbuild's description of what it has made. */
function outputOf({ metafile }, entry) {
  const found = Object.entries(metafile.outputs).find(([, { entryPoint }]) => {
    return entryPoint === `${SOURCES}/${entry}.ts`
  })
  if (!found) throw new Error(`esbuild made nothing of ${entry}.ts`)
  const [path, { cssBundle = '' }] = found
  return { script: basename(path), style: basename(cssBundle) }
}

/** The licences of the packages that are in the bundles; each asks for its text to go with it. */
async function licences(results) {
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile.inputs))
  const folders = new Set(inputs.flatMap((path) => /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []))
  const texts = [...folders].sort().map(async (folder) => {
    const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    const names = ['LICENSE', 'LICENSE.md', 'LICENSE.txt', 'license']
    const tried = await Promise.allSettled(names.map((file) => readFile(join(folder, file), 'utf8')))
    const text = tried.find(({ status }) => status === 'fulfilled')?.value ?? ''
    return `${name} ${version} (${license})\n\n${text.trim()}\n`
  })
  return (await Promise.all(texts)).join(`\n${'-'.repeat(72)}\n\n`)
}

/** A document with what it shares with others: `{{> head}}` is the text of head.html. */
async function withParts(text) {
  const parts = text.split(/\{\{> ([\w-]+)\}\}/)
  const filled = parts.map(async (part, at) => {
    return at % 2 === 0 ? part : (await readFile(join(SOURCES, `${part}.html`), 'utf8')).trim()
  })
  return (await Promise.all(filled)).join('')
}

const worker = await bundle({ entryPoints: [`${SOURCES}/digest-worker.ts`] })
const pages = await bundle({
  entryPoints: DOCUMENTS.map(({ entry }) => `${SOURCES}/${entry}.ts`),
  splitting: true,
  define: { DIGEST_WORKER: JSON.stringify(outputOf(worker, 'digest-worker').script) },
})

await rm(OUT, { recursive: true, force: true })
await mkdir(OUT, { recursive: true })
const files = [...worker.outputFiles, ...pages.outputFiles].map(({ path, contents }) => [
  basename(path),
  contents,
])
files.push(['licences.txt', Buffer.from(await licences([worker, pages]))])
for (const [name, contents] of files) {
  await writeFile(join(OUT, name), contents)
  await writeFile(join(OUT, `${name}.gz`), gzipSync(contents, { level: 9 }))
  const quality = { [constants.BROTLI_PARAM_QUALITY]: 9 }
  await writeFile(join(OUT, `${name}.br`), brotliCompressSync(contents, { params: quality }))
}
for (const { name, entry, root } of DOCUMENTS) {
  const values = { root, ...outputOf(pages, entry) }
  const text = await withParts(await readFile(join(SOURCES, name), 'utf8'))
  await writeFile(
    join(OUT, name),
    text.replaceAll(/\{\{(root|script|style)\}\}/g, (_, value) => values[value]),
  )
}
