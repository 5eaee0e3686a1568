import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { extname } from 'node:path'
import type { Answer, HeaderFields } from '../model/answer.js'
import type { FoundRoute } from './api.js'

interface PageSettings {
  readonly basePath: string
  readonly maxSizeBytes: number
  /** Types and patterns; an empty list for all that the server takes by itself. */
  readonly accept: readonly string[]
  readonly slots: number
  readonly authJwks: string | null
  readonly authSecret: string | null
}

interface LoadSettings extends PageSettings {
  readonly page: boolean
  /** Tells whether the token of a drop link is a grant of this server. */
  readonly isGrant: (token: string) => Promise<boolean>
}

interface LoadLog {
  warn(fields: object, message: string): void
}

/** One file as it is sent: plain, and compressed where the build has compressed it. */
interface PageFile {
  readonly headers: HeaderFields
  readonly etag: string
  readonly bodies: ReadonlyMap<Coding, Uint8Array>
}

/** The content codings that the build makes, the best one first; `identity` is the file itself. */
const CODINGS = ['br', 'gzip', 'identity'] as const
type Coding = (typeof CODINGS)[number]

const ENDINGS: Readonly<Record<string, Coding>> = { '.br': 'br', '.gz': 'gzip' }
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
}

/** Neither script nor style stands in a document, nothing comes from another host, and no other page shows this one. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "worker-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

const SAFETY: HeaderFields = {
  'X-Content-Type-Options': 'nosniff',
  // The address of a drop page is a secret.
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
}
const OF_DOCUMENTS: HeaderFields = {
  ...SAFETY,
  'Content-Security-Policy': POLICY,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'X-Robots-Tag': 'noindex',
  'Cache-Control': 'no-cache',
}
/** The names of scripts and styles change with what is in them. */
const OF_OTHERS: HeaderFields = { ...SAFETY, 'Cache-Control': 'public, max-age=31536000, immutable' }

const DROP_PAGE = /^\/drop\/([\w.~-]+)$/

/** The page that the build has made beside this code. Null with `--no-page`, and where it was not built. */
export async function loadPage(settings: LoadSettings, log: LoadLog): Promise<WebPage | null> {
  if (!settings.page) return null
  try {
    return await WebPage.load(new URL('../page/', import.meta.url), settings)
  } catch (error) {
    log.warn({ err: error }, 'the web page is not there: run `npm run build`')
    return null
  }
}

/** The web page: its few files, which are kept in memory. */
export class WebPage {
  readonly #files: ReadonlyMap<string, PageFile>
  /** The page of a drop link whose token this server has not made: its texts are anybody's, and are not shown. */
  readonly #forged: PageFile
  readonly #isGrant: LoadSettings['isGrant']

  private constructor(
    files: ReadonlyMap<string, PageFile>,
    forged: PageFile,
    isGrant: LoadSettings['isGrant'],
  ) {
    this.#files = files
    this.#forged = forged
    this.#isGrant = isGrant
  }

  /** Reads what the build has made. Rejects with the system's error where it is not there. */
  static async load(folder: URL, settings: LoadSettings): Promise<WebPage> {
    const names = (await readdir(folder)).filter((name) => extname(name) in TYPES)
    const files = await Promise.all(names.map((name) => load(folder, name, settings)))
    const forged = await load(folder, 'drop.html', settings, { isGrant: false })
    const byName = new Map(names.map((name, index) => [name, files[index]] as const).filter(isThere))
    return new WebPage(byName, forged, settings.isGrant)
  }

  /** The route to one of the page's files; undefined where none is at this path. */
  find(path: string): FoundRoute | undefined {
    const file = this.#at(path)
    if (!file) return undefined
    const [, token] = DROP_PAGE.exec(path) ?? []
    return {
      allow: 'GET, HEAD, OPTIONS',
      uploadId: undefined,
      serve: async (_method, { exchange }) => {
        const isForged = token !== undefined && !(await this.#isGrant(token))
        return answerWith(isForged ? this.#forged : file, exchange.request)
      },
    }
  }

  #at(path: string): PageFile | undefined {
    if (path === '/') return this.#files.get('index.html')
    if (DROP_PAGE.test(path)) return this.#files.get('drop.html')
    const name = /^\/page\/([\w-]+\.(?:css|js|txt))$/.exec(path)?.[1]
    return name === undefined ? undefined : this.#files.get(name)
  }
}

function answerWith(file: PageFile, request: IncomingMessage): Answer {
  const coding = bestOf(file, request.headers['accept-encoding'])
  const bytes = file.bodies.get(coding) ?? new Uint8Array()
  const etag = `"${file.etag}-${coding}"`
  const vary = file.bodies.size > 1 ? { Vary: 'Accept-Encoding' } : {}
  const headers = { ...file.headers, ...vary, ETag: etag }
  if (isKnown(etag, request.headers['if-none-match'])) return { status: 304, headers }
  const encoding = coding === 'identity' ? {} : { 'Content-Encoding': coding }
  return { status: 200, headers: { ...headers, ...encoding, 'Content-Length': String(bytes.length) }, bytes }
}

function isThere<T>(entry: readonly [string, T | undefined]): entry is readonly [string, T] {
  return entry[1] !== undefined
}

async function load(
  folder: URL,
  name: string,
  settings: PageSettings,
  more: { readonly isGrant?: boolean } = {},
): Promise<PageFile> {
  const type = TYPES[extname(name)] ?? 'application/octet-stream'
  const isDocument = name.endsWith('.html')
  const stored = await readFile(new URL(name, folder))
  const plain = isDocument ? withSettings(stored.toString(), settings, more) : stored
  const bodies = new Map<Coding, Uint8Array>([['identity', plain]])
  for (const [ending, coding] of isDocument ? [] : Object.entries(ENDINGS)) {
    bodies.set(coding, await readFile(new URL(name + ending, folder)))
  }
  const etag = createHash('sha256').update(plain).digest('base64url').slice(0, 22)
  const isNamedByContent = /-[A-Z0-9]{8}\.(?:js|css)$/.test(name)
  return { headers: { 'Content-Type': type, ...(isNamedByContent ? OF_OTHERS : OF_DOCUMENTS) }, etag, bodies }
}

/** Puts what the page has to know, and everybody may know, where a document has `{{settings}}`: in an attribute. */
function withSettings(text: string, settings: PageSettings, more: object): Buffer {
  const { basePath, maxSizeBytes, accept, slots, authJwks, authSecret } = settings
  const needsToken = authJwks !== null || authSecret !== null
  const json = JSON.stringify({ basePath, maxSizeBytes, accept, slots, needsToken, ...more })
  const attribute = json.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')
  return Buffer.from(text.replace('{{settings}}', () => attribute))
}

/** The best coding that a client takes (RFC 9110, section 12.5.3). */
function bestOf({ bodies }: PageFile, accepted: string | string[] = ''): Coding {
  const taken = String(accepted)
    .toLowerCase()
    .split(',')
    .filter((entry) => !/;\s*q=0(?:\.0*)?\s*$/.test(entry))
    .map((entry) => entry.split(';', 1)[0]?.trim())
  return CODINGS.find((coding) => bodies.has(coding) && taken.includes(coding)) ?? 'identity'
}

/** Tells whether a client has this version (RFC 9110, section 13.1.2). */
function isKnown(etag: string, ifNoneMatch = ''): boolean {
  return ifNoneMatch.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === etag)
}
