import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { printable } from '../printable.js'
import { UsageError } from '../usage-error.js'

/** The path that stands for standard input. */
export const STANDARD_INPUT = '-'
const MOST_PARALLEL = 100
const PARALLEL = 3
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/
const TOKEN = /^[!-~]+$/
/** tus-js-client sets these itself. */
const OWN_HEADERS = /^(?:tus-|upload-|content-length$|content-type$|host$|transfer-encoding$)/i

/** What `lading upload` was asked to do. */
export interface UploadOptions {
  readonly paths: readonly string[]
  /** The file name of standard input, which the path `-` names. */
  readonly name: string | undefined
  /** The creation URL. */
  readonly endpoint: string
  readonly headers: Readonly<Record<string, string>>
  /** Files at once. */
  readonly parallel: number
}

/**
 * Reads the arguments behind `upload`, and the grant from LADING_GRANT or the file that LADING_GRANT_FILE names.
 * Throws UsageError.
 */
export function uploadOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): UploadOptions {
  const { values, positionals } = parsed(args)
  if (positionals.length === 0) throw new UsageError('name the files or folders to upload')
  if (positionals.includes('')) throw new UsageError('a file or folder has an empty name')
  const inputs = positionals.filter((path) => path === STANDARD_INPUT)
  if (inputs.length > 1) throw new UsageError('- is standard input, which can be sent once')
  if (values.name !== undefined && inputs.length === 0)
    throw new UsageError('--name names standard input, which is sent as -')
  if (values.name === '') throw new UsageError('--name must not be empty')
  if (values.to === undefined) throw new UsageError('--to must name the creation URL of the server')
  const headers = headersOf(values.header ?? [])
  const grant = grantOf(values.grant, env)
  const hasAuthorization = Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')
  if (grant !== undefined && hasAuthorization)
    throw new UsageError('a grant and a header Authorization are both given; only one may be')
  return {
    paths: positionals,
    name: values.name,
    endpoint: endpointOf(values.to),
    headers: grant === undefined ? headers : { ...headers, Authorization: `Bearer ${grant}` },
    parallel: parallelOf(values.parallel),
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        to: { type: 'string' },
        name: { type: 'string' },
        parallel: { type: 'string', short: 'p' },
        header: { type: 'string', short: 'H', multiple: true },
        grant: { type: 'string' },
      },
    })
  } catch (error) {
    // Node adds advice on how to write such an argument; the first sentence says what is wrong.
    const [sentence = ''] = (error instanceof Error ? error.message : String(error)).split(
      /\.\s|\.?[\r\n]|\.$/,
    )
    throw new UsageError(printable(sentence), { cause: error })
  }
}

function endpointOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol))
    throw new UsageError(`--to is ${printable(text)} but must be a URL of http or https`)
  url.hash = ''
  return url.href
}

function parallelOf(text = String(PARALLEL)): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN
  if (!(count >= 1 && count <= MOST_PARALLEL))
    throw new UsageError(
      `--parallel is ${printable(text)} but must be a whole number from 1 to ${MOST_PARALLEL}`,
    )
  return count
}

/** `Name: value`, or `@FILE` for the lines of a file, so that a secret is not seen in the list of processes. */
function headersOf(given: readonly string[]): Record<string, string> {
  const lines = given.flatMap((text) => {
    return text.startsWith('@') ? fileText(text.slice(1), '--header').split(/\r?\n/).filter(Boolean) : [text]
  })
  const headers = new Map<string, string>()
  for (const line of lines) {
    const [, name, value] = HEADER.exec(line) ?? []
    // The line is not shown: it may be a secret that was written wrong.
    if (name === undefined || value === undefined)
      throw new UsageError("--header must be 'Name: value', or @FILE with such lines")
    if (OWN_HEADERS.test(name)) throw new UsageError(`--header ${name} is set by the upload itself`)
    headers.set(name, value)
  }
  return Object.fromEntries(headers)
}

function grantOf(
  flag: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const path = env.LADING_GRANT_FILE
  if (flag === undefined && path !== undefined && env.LADING_GRANT !== undefined)
    throw new UsageError('LADING_GRANT and LADING_GRANT_FILE are both given; only one may be')
  const fromFile = path === undefined ? undefined : () => fileText(path, 'LADING_GRANT_FILE').trim()
  const grant = (flag ?? env.LADING_GRANT ?? fromFile?.())?.trim()
  if (grant !== undefined && !TOKEN.test(grant))
    throw new UsageError('the grant must be a token without spaces')
  return grant
}

function fileText(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new UsageError(`${name} names a file that cannot be read: ${printable(why)}`, { cause: error })
  }
}
