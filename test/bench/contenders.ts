import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { shippedNodeFlags } from '../helpers/shipped.js'
import { type Child, start } from './children.js'
import type { Method } from './job.js'
import { nginxConfig } from './nginx.js'

const START_WITHIN_MS = 30_000
const ADDRESS = /http:\/\/\S+/

export type CaseName = 'one' | 'eight' | 'resume' | 'small' | 'checked' | 'joining' | 'memory' | 'attacks'

/** A server that takes part. */
export interface Contender {
  readonly name: string
  readonly about: string
  readonly method: Method
  readonly cases: readonly CaseName[]
  /** Upload-Checksum's algorithm in the case `checked`; in the case `joining`, whether a joining runs beside. */
  readonly checksum?: string
  readonly joins?: boolean
  /** Starts it with its data in an existing folder, which may have data from before. */
  start(folder: string): Promise<RunningServer>
}

export interface RunningServer {
  /** Where uploads are created. */
  readonly url: string
  /** Undefined for a server that was there before. */
  readonly pid: number | undefined
  kill(): Promise<void>
}

/** Lading as built, with its default settings but for `--min-free 0`: a benchmark's disk may be small. */
export function lading(name: string, durability: string, cases: readonly CaseName[]): Contender {
  const main = fileURLToPath(new URL('../../server/main.js', import.meta.url))
  const about = `${versionIn('../../../package.json')}, SHA-256, type check and records on, --durability ${durability}`
  const flags = ['--port', '0', '--min-free', '0', '--durability', durability]
  const launch = (folder: string): Child =>
    start(process.execPath, [...shippedNodeFlags(), main, ...flags, '--data-dir', folder])
  return { name, about, method: 'tus', cases, start: async (folder) => announced(launch(folder)) }
}

/** @tus/server and its FileStore. */
export function stock(): Contender {
  const script = fileURLToPath(new URL('stock-server.js', import.meta.url))
  const versions = ['server', 'file-store'].map((name) => `@tus/${name} ${versionOf(`@tus/${name}`)}`)
  return {
    name: 'stock',
    about: `${versions.join(' + ')}, no digest, no fdatasync`,
    method: 'tus',
    cases: ['one', 'eight', 'resume', 'small'],
    start: async (folder) => announced(start(process.execPath, [script, folder])),
  }
}

/** nginx with its WebDAV module; undefined with the reason where it cannot be had. */
export function nginx(): Contender | { skipped: string } {
  const asked = spawnSync('nginx', ['-V'], { encoding: 'utf8' })
  if (asked.error) return { skipped: 'nginx is not installed' }
  if (!asked.stderr.includes('http_dav_module')) return { skipped: 'nginx has no WebDAV module' }
  const version = /nginx\/\S+/.exec(asked.stderr)?.[0] ?? 'nginx'
  return {
    name: 'nginx',
    about: `${version} WebDAV PUT, no digest, no fdatasync, cannot resume`,
    method: 'put',
    cases: ['one', 'eight', 'small'],
    start: startNginx,
  }
}

/** Another tus server that runs already. */
export function peer(name: string, url: string): Contender {
  const running = { url: url.replace(/\/$/, ''), pid: undefined, kill: async () => {} }
  const about = `${url}, its processor time and memory are not seen`
  return { name, about, method: 'tus', cases: ['one', 'eight', 'small'], start: async () => running }
}

async function announced(child: Child): Promise<RunningServer> {
  const url = await child.says(ADDRESS, START_WITHIN_MS)
  return { url, pid: child.pid, kill: () => child.kill() }
}

async function startNginx(folder: string): Promise<RunningServer> {
  await mkdir(join(folder, 'files'), { recursive: true })
  const { path, url } = await nginxConfig(folder)
  const child = start('nginx', ['-p', folder, '-c', path, '-e', join(folder, 'error.log')])
  await answers(url)
  return { url, pid: child.pid, kill: () => child.kill() }
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
  return versionIn(`${main.slice(0, main.lastIndexOf(`/${name}/`))}/${name}/package.json`)
}

function versionIn(path: string): string {
  const { version }: { version: string } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
  return version
}
