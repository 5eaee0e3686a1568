/** `npm run bench`: Lading and its peers, in turn, on one machine, with the same files and client. */
import { accessSync, constants } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { HELP, type Options, parseOptions } from './options.js'
import { checkReadme, writeReadme } from './readme.js'
import { derivedFrom, reportLines } from './report.js'
import { readResult, writeResult } from './result.js'
import { run } from './run.js'

async function main({ json, readme, from, ...options }: Options): Promise<void> {
  // A result of half an hour must not be lost because it cannot be written.
  if (json !== undefined) checkFolderOf(json)
  if (readme) checkReadme()
  const result = from === undefined ? await run(options) : readResult(from)
  console.log(reportLines(result).join('\n'))
  if (json !== undefined) writeResult(json, result, derivedFrom(result))
  if (readme) writeReadme(result)
}

function checkFolderOf(path: string): void {
  try {
    accessSync(dirname(resolve(path)), constants.W_OK)
  } catch (error) {
    throw new Error(`--json is ${path} but its folder cannot be written to`, { cause: error })
  }
}

// What was started and written is ended and removed at the exit: see children.ts and workspace.ts.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => process.exit(130))
try {
  const options = parseOptions(process.argv.slice(2))
  if (options) await main(options)
  else console.log(HELP)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
