import { parseArgs } from 'node:util'
import { GROUP_NAMES, type GroupName } from './check.js'

/** What is run, and how the result is printed. */
export interface Options {
  /** The creation URL; undefined for a server that the suite starts itself. */
  readonly url: URL | undefined
  /** Which one it starts. */
  readonly own: 'lading' | 'stock'
  readonly groups: readonly GroupName[]
  readonly headers: readonly string[]
  readonly form: 'text' | 'json' | 'markdown'
}

export const HELP = `npm run conformance -- [URL] [--only EXTENSION]… [--header 'Name: value']… [--json | --markdown]

Checks each MUST and SHOULD of tus 1.0.0 that can be seen from outside.

  URL         where the server creates uploads, as https://example.org/files;
              without it the suite starts Lading on a free port, and ends it afterwards
  --stock     start @tus/server with @tus/file-store instead of Lading
  --only      one group of checks; may be repeated:
              ${GROUP_NAMES.slice(0, 6).join(', ')},
              ${GROUP_NAMES.slice(6).join(', ')}
  --header    a header for every request, such as Authorization; may be repeated
  --json      the whole result as JSON
  --markdown  the table of groups as Markdown
  --help      print this text

It exits with 0 if no MUST failed, with 1 if one did, and with 2 if it could not run.
For an https URL with your own certificate, set NODE_EXTRA_CA_CERTS.
`

/** Reads the command line; undefined when help is asked for. Throws an Error with one line for a wrong option. */
export function parseOptions(argv: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      stock: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      header: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const [url, ...more] = positionals
  if (more.length > 0) throw new Error(`one URL is enough, but there is ${more[0]} too`)
  if (url !== undefined && values.stock) throw new Error('--stock starts a server, and cannot go with a URL')
  if (values.json && values.markdown) throw new Error('--json and --markdown cannot go together')
  const wanted = values.only.map(groupName)
  return {
    url: url === undefined ? undefined : creationUrl(url),
    own: values.stock ? 'stock' : 'lading',
    groups: wanted.length > 0 ? wanted : GROUP_NAMES,
    headers: values.header.map(headerLine),
    form: values.json ? 'json' : values.markdown ? 'markdown' : 'text',
  }
}

function creationUrl(text: string): URL {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw new Error(`the URL is ${text} but must be as http://127.0.0.1:1080/files`)
  return new URL(text)
}

function groupName(text: string): GroupName {
  const found = GROUP_NAMES.find((name) => name === text)
  if (found === undefined) throw new Error(`--only is ${text} but must be one of ${GROUP_NAMES.join(', ')}`)
  return found
}

function headerLine(text: string): string {
  if (!/^[\w!#$%&'*+.^`|~-]+:[^\r\n]*$/.test(text))
    throw new Error(`--header is ${text} but must be 'Name: value'`)
  return text
}
