import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { shippedNodeFlags } from '../helpers/shipped.js'
import { ADMIN_FLAGS, as, SECRET_FLAGS } from '../helpers/tokens.js'
import { type Child, start } from './children.js'
import type { Endpoint } from './job.js'
import { nginxConfig } from './nginx.js'
import { opensslVersion } from './openssl.js'
import type { CaseName } from './result.js'

const START_WITHIN_MS = 30_000
const OWN_ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const EVERY_HOOK = 'pre-create,post-create,post-receive,pre-finish,post-finish,post-terminate,pre-terminate'
const ADDRESS = /http:\/\/\S+/
const OWN: Omit<Endpoint, 'url'> = {
  method: 'tus',
  answersDigest: false,
  digestFolder: null,
  headers: [],
  remove: false,
}

/** A server that takes part. */
export interface Contender {
  readonly name: string
  /** Its version and what it does, for the reader of the result. */
  readonly about: string
  readonly cases: readonly CaseName[]
  /** Starts it with its data in an existing folder, which may have data from before. */
  start(folder: string): Promise<RunningServer>
}

export interface RunningServer {
  readonly endpoint: Endpoint
  /** Undefined if its processor time and memory cannot be measured. */
  readonly pid: number | undefined
  /** Whether the benchmark has just started it, so that its memory is that of an idle server. */
  readonly isFresh: boolean
  kill(): Promise<void>
}

/** A server that is not installed, or lacks something, and why. */
export interface LeftOut {
  readonly leftOut: string
}

/** A build of Lading and how it is started. */
export interface LadingSetup {
  readonly name: string
  readonly cases: readonly CaseName[]
  readonly durability?: 'finish' | 'off'
  /** The repository with the build; by default this one. */
  readonly root?: string
}

const ownFlags = (durability: string): readonly string[] => {
  return ['--port', '0', '--min-free', '0', '--durability', durability]
}

/** Lading as built, with its default settings except `--min-free 0`: a benchmark's disk may be small. */
export function lading({ name, cases, durability = 'finish', root = OWN_ROOT }: LadingSetup): Contender {
  const manifest = join(root, 'package.json')
  const main = join(root, 'dist/server/main.js')
  const flags = ownFlags(durability)
  const launch = (folder: string): Child =>
    start(process.execPath, [...shippedNodeFlags(manifest), main, ...flags, '--data-dir', folder])
  return {
    name,
    about: `${versionIn(manifest)}${commitOf(root)}, SHA-256, type check and records on, --durability ${durability}`,
    cases,
    start: (folder) => announced(launch(folder), { answersDigest: true }),
  }
}

/** Lading as an application runs it: with a JWT for each request, an admin key, hooks over HTTP, metrics and readers of events. */
export function ladingInUse(name: string, cases: readonly CaseName[]): Contender {
  const manifest = join(OWN_ROOT, 'package.json')
  const script = fileURLToPath(new URL('application.js', import.meta.url))
  return {
    name,
    about:
      'the same with a JWT in each request, an admin key, every hook sent to a receiver, ' +
      '/metrics scraped every 5 s and ten readers of /api/events',
    cases,
    start: async (folder) => {
      const application = start(process.execPath, [script])
      const receiver = await application.says(ADDRESS, START_WITHIN_MS)
      const hooks = ['--hooks-http', receiver, '--hooks-enabled-events', EVERY_HOOK]
      const flags = [...ownFlags('finish'), ...SECRET_FLAGS, ...ADMIN_FLAGS, ...hooks, '--data-dir', folder]
      const main = join(OWN_ROOT, 'dist/server/main.js')
      const child = start(process.execPath, [...shippedNodeFlags(manifest), main, ...flags])
      const server = await announced(child, { answersDigest: true })
      const { Authorization } = await as('bench')
      await fetch(new URL('watch', receiver), { method: 'POST', body: new URL(server.endpoint.url).origin })
      return {
        ...server,
        endpoint: { ...server.endpoint, headers: [`Authorization: ${Authorization}`] },
        kill: async () => {
          await server.kill()
          await application.kill()
        },
      }
    },
  }
}

/** @tus/server and its FileStore, without a digest, or with the SHA-256 of each finished file in its answer. */
export function stock(digest: 'no digest' | 'digest'): Contender {
  const script = fileURLToPath(new URL('stock-server.js', import.meta.url))
  const versions = ['server', 'file-store'].map((name) => `@tus/${name} ${versionOf(`@tus/${name}`)}`)
  const isDigesting = digest === 'digest'
  const what = isDigesting ? 'SHA-256 in onUploadFinish, which reads the file again' : 'no digest'
  return {
    name: isDigesting ? 'stock + digest' : 'stock',
    about: `${versions.join(' + ')}, ${what}, no fdatasync`,
    cases: [
      'one',
      'eight',
      'resume',
      'many',
      'small',
      ...(isDigesting ? [] : (['patches', 'downloads', 'memory'] as const)),
    ],
    start: (folder) => {
      return announced(start(process.execPath, [script, folder, digest]), { answersDigest: isDigesting })
    },
  }
}

/** nginx with its WebDAV module. */
export function nginx(): Contender | LeftOut {
  const asked = spawnSync('nginx', ['-V'], { encoding: 'utf8' })
  if (asked.error) return { leftOut: 'nginx: it is not installed' }
  if (!asked.stderr.includes('http_dav_module')) return { leftOut: 'nginx: it has no WebDAV module' }
  const version = /nginx\/\S+/.exec(asked.stderr)?.[0] ?? 'nginx'
  return {
    name: 'nginx',
    about: `${version} WebDAV PUT, no digest, no fdatasync, cannot resume; GET with sendfile`,
    cases: ['one', 'eight', 'many', 'small', 'downloads'],
    start: startNginx,
  }
}

/** The same nginx, and `openssl dgst` over each file that it has stored. */
export function nginxWithDigest(web: Contender | LeftOut): Contender | LeftOut {
  const name = 'nginx + openssl'
  if ('leftOut' in web) return { leftOut: `${name}: nginx is left out` }
  const version = opensslVersion()
  if (version === undefined) return { leftOut: `${name}: openssl is not installed` }
  return {
    name,
    about: `${web.about.replace('no digest', `then ${version} dgst -sha256 of each file`)}`,
    // A process for each file of 4 KiB would measure the start of processes.
    cases: ['one', 'eight', 'many'],
    start: async (folder) => {
      const server = await web.start(folder)
      return { ...server, endpoint: { ...server.endpoint, digestFolder: join(folder, 'files') } }
    },
  }
}

async function announced(child: Child, about: Pick<Endpoint, 'answersDigest'>): Promise<RunningServer> {
  const url = await child.says(ADDRESS, START_WITHIN_MS)
  return { endpoint: { ...OWN, ...about, url }, pid: child.pid, isFresh: true, kill: () => child.kill() }
}

async function startNginx(folder: string): Promise<RunningServer> {
  await mkdir(join(folder, 'files'), { recursive: true })
  const { path, url } = await nginxConfig(folder)
  const child = start('nginx', ['-p', folder, '-c', path, '-e', join(folder, 'error.log')])
  await answers(url)
  const endpoint = { ...OWN, url, method: 'put' } as const
  return { endpoint, pid: child.pid, isFresh: true, kill: () => child.kill() }
}

async function answers(url: string): Promise<void> {
  const until = Date.now() + START_WITHIN_MS
  for (;;) {
    try {
      await fetch(url)
      return
    } catch (error) {
      if (Date.now() > until) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

/** The version of an installed package, found above its main file. */
function versionOf(name: string): string {
  const main = import.meta.resolve(name)
  return versionIn(new URL(`${main.slice(0, main.lastIndexOf(`/${name}/`))}/${name}/package.json`))
}

/** The commit of a build, as words to add; empty outside git. */
function commitOf(root: string): string {
  const asked = spawnSync('git', ['-C', root, 'describe', '--always', '--dirty'], { encoding: 'utf8' })
  return asked.status === 0 ? ` at ${asked.stdout.trim()}` : ''
}

function versionIn(manifest: string | URL): string {
  const { version }: { version: string } = JSON.parse(readFileSync(manifest, 'utf8'))
  return version
}
