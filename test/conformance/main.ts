/** `npm run conformance`: tries each MUST and SHOULD of tus 1.0.0 on a server, of which it knows only the URL. */
import { eventually } from './expect.js'
import { GROUPS } from './groups/all.js'
import { HELP, type Options, parseOptions } from './options.js'
import { type OwnServer, startOwn } from './own-server.js'
import { failsMust, jsonOf, markdownOf, textOf } from './report.js'
import { runGroups } from './suite.js'
import { readTarget, type Target } from './target.js'

const COULD_NOT_RUN = 2
const BACK_WITHIN_MS = 5_000

async function run(options: Options, url: URL, name: string, comeBack: () => Promise<URL>): Promise<void> {
  const target = await readTarget(url, options.headers)
  const groups = GROUPS.filter((group) => options.groups.includes(group.name))
  const results = await runGroups(
    target,
    groups,
    async () => await readTarget(await comeBack(), options.headers),
  )
  const forms = {
    text: () => textOf(name, results),
    json: () => jsonOf(name, target.extensions, results),
    markdown: () => markdownOf(results),
  }
  console.log(forms[options.form]())
  process.exitCode = failsMust(results) ? 1 : 0
}

/** If the server ended, someone may start it again: waits a while for it. */
async function runOn(options: Options, url: URL): Promise<void> {
  await run(options, url, url.href, async () => {
    const back = (): Promise<Target | undefined> => readTarget(url, options.headers).catch(() => undefined)
    await eventually(BACK_WITHIN_MS, back)
    return url
  })
}

async function runOnOwn(options: Options): Promise<void> {
  let own: OwnServer = await startOwn(options.own)
  try {
    const name = options.own === 'stock' ? '@tus/server with @tus/file-store' : 'Lading'
    await run(options, own.url, name, async () => {
      await own.stop()
      own = await startOwn(options.own)
      return own.url
    })
  } finally {
    await own.stop()
  }
}

// A server that this process started ends with it; see own-server.ts.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => process.exit(130))
try {
  const options = parseOptions(process.argv.slice(2))
  if (options === undefined) console.log(HELP)
  else if (options.url === undefined) await runOnOwn(options)
  else await runOn(options, options.url)
} catch (error) {
  const [line] = (error instanceof Error ? error.message : String(error)).split('\n')
  console.error(line)
  process.exitCode = COULD_NOT_RUN
}
