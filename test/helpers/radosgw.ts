import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { S3 } from '@aws-sdk/client-s3'
import type { Test } from 'uvu'
import { freePort } from './free-port.js'
import { eventually, temporaryFolder } from './server.js'
import { bounded, isInstalled, mayBeSkipped } from './test.js'

const WITHIN_MS = 60_000
const PROGRAMS = ['radosgw', 'radosgw-admin', 'ceph-mon', 'ceph-osd', 'ceph', 'ceph-authtool', 'monmaptool']
const KEY = { accessKeyId: 'lading-test', secretAccessKey: 'not-a-secret' }

const run = promisify(execFile)

/** A real S3: Ceph's gateway over a store in memory, in processes of its own. It ends with the test process. */
export interface Radosgw {
  readonly endpoint: string
  /** The environment that the SDK takes credentials from. */
  readonly env: Readonly<Record<string, string>>
  /** A client of its own. */
  readonly s3: S3
  /** Makes an empty bucket. */
  bucket(): Promise<string>
  /** Kills the gateway, as an outage does; what is stored stays. */
  kill(): Promise<void>
  /** Starts it again after `kill`. */
  restart(): Promise<void>
  /** Ends all of it. */
  end(): Promise<void>
}

/**
 * `test` where Ceph's gateway is installed. Elsewhere its tests are skipped, with their reason for the runner. Throws where it
 * must be there.
 */
export function needsRadosgw<T>(test: Test<T>): Test<T> {
  if (PROGRAMS.every(isInstalled)) return test
  mayBeSkipped("Ceph's gateway")
  const skip = (name: string): void => {
    test.skip(name)
    console.log(`SKIP: ${name} (Ceph's gateway is not installed)`)
  }
  const noHook = Object.assign(() => {}, { each: () => {} })
  return Object.assign(skip, { only: skip, skip, before: noHook, after: noHook, run: () => test.run() })
}

/** Makes a new store and starts its gateway. */
export async function startRadosgw(): Promise<Radosgw> {
  const running = new Running(join(temporaryFolder(), 'ceph'))
  await running.make()
  return running
}

class Running implements Radosgw {
  readonly #folder: string
  readonly #store: ChildProcess[] = []
  #gateway: ChildProcess | undefined
  #port = 0
  #buckets = 0
  #s3: S3 | undefined

  constructor(folder: string) {
    this.#folder = folder
    process.on('exit', () => this.#killAll())
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get env(): Readonly<Record<string, string>> {
    return { AWS_ACCESS_KEY_ID: KEY.accessKeyId, AWS_SECRET_ACCESS_KEY: KEY.secretAccessKey }
  }

  get s3(): S3 {
    this.#s3 ??= new S3({
      ...{ endpoint: this.endpoint, region: 'us-east-1', forcePathStyle: true, credentials: KEY },
      ...{ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
    })
    return this.#s3
  }

  async bucket(): Promise<string> {
    this.#buckets += 1
    const Bucket = `test-${this.#buckets}`
    await this.s3.createBucket({ Bucket })
    return Bucket
  }

  async kill(): Promise<void> {
    const gateway = this.#gateway
    this.#gateway = undefined
    if (!gateway || gateway.exitCode !== null || gateway.signalCode !== null) return
    gateway.kill('SIGKILL')
    await bounded(WITHIN_MS, once(gateway, 'exit'), 'the end of radosgw')
  }

  async restart(): Promise<void> {
    this.#gateway = this.#spawn('radosgw', ['-n', 'client.rgw', '--keyring', this.#path('keyring'), '-f'])
    const answers = async () => {
      if (this.#gateway?.exitCode !== null) throw new Error(`radosgw ended: ${this.#log('radosgw')}`)
      return (await fetch(this.endpoint).catch(() => undefined)) && true
    }
    await eventually(WITHIN_MS, 'an answer of radosgw', answers)
  }

  async end(): Promise<void> {
    this.#s3?.destroy()
    const all = [...this.#store, ...(this.#gateway ? [this.#gateway] : [])]
    const ends = all.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
    const ended = ends.map((child) => once(child, 'exit'))
    this.#killAll()
    await bounded(WITHIN_MS, Promise.all(ended), 'the end of Ceph')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** A store of one monitor and one disk in memory, without a manager. Their order is that of Ceph's manual start. */
  async make(): Promise<void> {
    for (const name of ['mon', 'osd', 'run', 'log', 'rgw']) mkdirSync(this.#path(name), { recursive: true })
    this.#port = await freePort()
    const [fsid, monitor, old] = [randomUUID(), await freePort(), await freePort()]
    const address = `[v2:127.0.0.1:${monitor},v1:127.0.0.1:${old}]`
    writeFileSync(
      this.#path('ceph.conf'),
      configuration({ folder: this.#folder, port: this.#port, fsid, address }),
    )
    const keyring = this.#path('keyring')
    for (const [i, [name, ...caps]] of KEYS.entries()) {
      const begin = i === 0 ? ['--create-keyring'] : []
      await run('ceph-authtool', [...begin, keyring, '--gen-key', '-n', name ?? '', ...caps])
    }
    const monmap = this.#path('monmap')
    await run('monmaptool', ['--create', '--addv', 'a', address, '--fsid', fsid, monmap])
    await run('ceph-mon', [...this.#config, '--mkfs', '-i', 'a', '--monmap', monmap, '--keyring', keyring])
    this.#store.push(this.#spawn('ceph-mon', ['-i', 'a', '-f']))
    const osd = randomUUID()
    await bounded(WITHIN_MS, run('ceph', [...this.#config, 'osd', 'new', osd, '0']), 'the monitor')
    await run('ceph-osd', [...this.#config, '-i', '0', '--mkfs', '--osd-uuid', osd])
    this.#store.push(this.#spawn('ceph-osd', ['-i', '0', '-f']))
    const { accessKeyId, secretAccessKey } = KEY
    const user = ['--uid=lading', '--display-name=lading', `--access-key=${accessKeyId}`]
    const made = run('radosgw-admin', [
      ...this.#config,
      'user',
      'create',
      ...user,
      `--secret-key=${secretAccessKey}`,
    ])
    await bounded(WITHIN_MS, made, 'the user of radosgw')
    await this.restart()
  }

  get #config(): readonly string[] {
    return ['-c', this.#path('ceph.conf')]
  }

  #path(name: string): string {
    return join(this.#folder, name)
  }

  #spawn(program: string, args: readonly string[]): ChildProcess {
    const log = openSync(this.#path(`log/${program}.out`), 'a')
    const child = spawn(program, [...this.#config, ...args], { stdio: ['ignore', log, log] })
    closeSync(log)
    return child
  }

  #log(program: string): string {
    return readFileSync(this.#path(`log/${program}.out`), 'utf8').slice(-2_000)
  }

  #killAll(): void {
    for (const child of [...this.#store, ...(this.#gateway ? [this.#gateway] : [])]) child.kill('SIGKILL')
  }
}

/** The gateway does not come up without cephx. */
const KEYS = [
  ['mon.', '--cap', 'mon', 'allow *'],
  ['client.admin', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow *'],
  ['osd.0', '--cap', 'mon', 'allow profile osd', '--cap', 'osd', 'allow *'],
  ['client.rgw', '--cap', 'mon', 'allow rwx', '--cap', 'osd', 'allow rwx'],
]

function configuration(of: { folder: string; port: number; fsid: string; address: string }): string {
  const { folder, port, fsid, address } = of
  return `[global]
fsid = ${fsid}
mon host = ${address}
public network = 127.0.0.0/8
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
mon warn on insecure global id reclaim = false
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
run dir = ${folder}/run
admin socket = ${folder}/run/$name.asok
log file = ${folder}/log/$name.log
pid file = ${folder}/run/$name.pid
keyring = ${folder}/keyring
[mon]
mon data = ${folder}/mon
mon initial members = a
paxos propose interval = 0.05
paxos min wait = 0.01
mon osd crush smoke test = false
[osd]
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd op num shards = 2
[client]
rgw frontends = beast endpoint=127.0.0.1:${port} tcp_nodelay=1
rgw data = ${folder}/rgw
rgw enable apis = s3, admin
rgw thread pool size = 32
rgw run sync thread = false
rgw multipart min part size = 5242880
rgw gc obj min wait = 20
rgw gc processor period = 10
rgw gc processor max time = 30
`
}
