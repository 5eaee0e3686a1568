import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import type { Test } from 'uvu'
import { freePort } from './free-port.js'
import { eventually, temporaryFolder } from './server.js'
import { bounded, mayBeSkipped } from './test.js'

const WITHIN_MS = 60_000
const PORTS_TO_TRY = 5
/** Debian's place for the programs of each version, which are not on the PATH. */
const DEBIAN = '/usr/lib/postgresql'
const PROGRAMS = programsFolder()
/** A test kills processes and not the machine: the system keeps what PostgreSQL has written, also where it is not flushed. */
const SETTINGS = ['listen_addresses=127.0.0.1', 'max_connections=200', 'shared_buffers=32MB', 'fsync=off']

/** A PostgreSQL in processes of its own, which writes into a folder of its own only. It ends with the test process. */
export interface Postgres {
  readonly port: number
  /** The processes that run now, the first one being the postmaster. */
  pids(): readonly number[]
  /** Makes an empty database and resolves with its URL. */
  database(): Promise<string>
  /** Kills all its processes at once, as a crash does. */
  kill(): Promise<void>
  /** Starts it again after `kill`. */
  restart(): Promise<void>
}

/**
 * `test` where PostgreSQL is installed. Elsewhere its tests are skipped, with their reason for the runner, and its hooks
 * are left out. Throws where it must be there.
 */
export function needsPostgres<T>(test: Test<T>): Test<T> {
  if (PROGRAMS !== undefined) return test
  mayBeSkipped('PostgreSQL')
  const skip = (name: string): void => {
    test.skip(name)
    console.log(`SKIP: ${name} (PostgreSQL is not installed)`)
  }
  const noHook = Object.assign(() => {}, { each: () => {} })
  return Object.assign(skip, { only: skip, skip, before: noHook, after: noHook, run: () => test.run() })
}

/** Makes a new PostgreSQL and starts it, with these settings beside its own. */
export async function startPostgres(more: readonly string[] = []): Promise<Postgres> {
  const folder = join(temporaryFolder(), 'postgres')
  const owner = ownerOf()
  mkdirSync(folder, { mode: 0o700 })
  if (owner) {
    // The owner must get to its folder, through that of the test.
    execFileSync('chmod', ['711', join(folder, '..')])
    chownSync(folder, owner.uid, owner.gid)
  }
  const make = ['-D', join(folder, 'data'), '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C']
  execFileSync(join(PROGRAMS ?? '', 'initdb'), [...make, '--no-sync'], { ...owner, stdio: 'pipe' })
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const running = new Running(folder, port, owner, [...SETTINGS, ...more])
    if (await running.start()) return running
    if (attempt === PORTS_TO_TRY) throw new Error(`PostgreSQL did not start: ${running.log}`)
  }
}

interface Owner {
  readonly uid: number
  readonly gid: number
}

class Running implements Postgres {
  readonly port: number
  readonly #folder: string
  readonly #owner: Owner | undefined
  readonly #settings: readonly string[]
  #child: ChildProcess | undefined
  #databases = 0
  log = ''

  constructor(folder: string, port: number, owner: Owner | undefined, settings: readonly string[]) {
    this.#folder = folder
    this.port = port
    this.#owner = owner
    this.#settings = settings
    process.on('exit', () => this.#killAll())
  }

  pids(): readonly number[] {
    const pid = this.#child?.pid
    return pid === undefined ? [] : [pid, ...childrenOf(pid)]
  }

  async database(): Promise<string> {
    this.#databases += 1
    const name = `test_${this.#databases}`
    const client = new pg.Client(this.#url('postgres'))
    await client.connect()
    await client.query(`CREATE DATABASE ${name}`).finally(() => client.end())
    return this.#url(name)
  }

  async kill(): Promise<void> {
    const child = this.#child
    const pids = this.#killAll()
    if (child && child.exitCode === null && child.signalCode === null)
      await bounded(WITHIN_MS, once(child, 'exit'), 'the end of PostgreSQL')
    const isOver = async () => pids.every(isEnded) || undefined
    await eventually(WITHIN_MS, 'the end of all processes of PostgreSQL', isOver)
  }

  async restart(): Promise<void> {
    rmSync(join(this.#folder, 'data', 'postmaster.pid'), { force: true })
    for (const name of readdirSync(this.#folder))
      if (name.startsWith('.s.PGSQL')) rmSync(join(this.#folder, name))
    if (!(await this.start())) throw new Error(`PostgreSQL did not start again: ${this.log}`)
  }

  /** False where it ended instead, as on a port that is taken. */
  async start(): Promise<boolean> {
    const places = ['-D', join(this.#folder, 'data'), '-p', `${this.port}`, '-k', this.#folder]
    const settings = this.#settings.flatMap((setting) => ['-c', setting])
    const child = spawn(join(PROGRAMS ?? '', 'postgres'), [...places, ...settings], {
      ...this.#owner,
      ...{ cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] },
    })
    this.#child = child
    this.log = ''
    const ready = new Promise<boolean>((resolve) => {
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        this.log = `${this.log}${text}`.slice(-100_000)
        if (this.log.includes('ready to accept connections')) resolve(true)
      })
      child.once('exit', () => resolve(false))
    })
    return await bounded(WITHIN_MS, ready, 'PostgreSQL')
  }

  #killAll(): readonly number[] {
    const pids = this.pids()
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended in the meantime.
      }
    }
    this.#child = undefined
    return pids
  }

  #url(database: string): string {
    return `postgres://postgres:not-a-secret@127.0.0.1:${this.port}/${database}`
  }
}

/** PostgreSQL refuses to run as root: Debian's package has a user for it. Undefined for this process's own. */
function ownerOf(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined
  const [, , uid, gid] = /^postgres:(.*)$/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[0].split(':') ?? []
  return { uid: Number(uid), gid: Number(gid) }
}

/** The folder of the newest version; undefined where PostgreSQL is not installed. */
function programsFolder(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).filter((name) => /^\d+$/.test(name)) : []
  return versions
    .sort((one, other) => Number(other) - Number(one))
    .map((version) => join(DEBIAN, version, 'bin'))
    .find((folder) => existsSync(join(folder, 'postgres')) && existsSync(join(folder, 'initdb')))
}

/** Processes whose parent is `pid`; Linux only. */
function childrenOf(pid: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => parentOf(name) === pid)
    .map(Number)
}

function parentOf(pid: string): number {
  return Number(fieldsOf(pid)[1])
}

/** Also for one whose parent has not asked yet how it ended. */
function isEnded(pid: number): boolean {
  return ['', 'Z', 'X'].includes(fieldsOf(`${pid}`)[0] ?? '')
}

/** State, parent and more of a process; one empty field where there is none. */
function fieldsOf(pid: string): readonly string[] {
  try {
    // The name of the program stands in brackets, and may have any characters.
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\)\s/s, '')
      .split(' ')
  } catch {
    return ['']
  }
}
