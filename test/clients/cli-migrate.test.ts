import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runCommand } from '../helpers/command.js'
import { NO_INPUT, sendWith } from '../helpers/js-client.js'
import { rowsOf } from '../helpers/proof.js'
import { eventually, send, startServer, type TestServer, temporaryFolder, tus } from '../helpers/server.js'

const test = suite('lading migrate-tusd')

const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), randomBytes(3_000)])
const SONG = Buffer.concat([Buffer.alloc(16), randomBytes(300_000)])
const DAY_MS = 86_400_000

interface Stored {
  readonly id: string
  readonly bytes: Buffer
  readonly info?: Readonly<Record<string, unknown>>
}

/** Writes an upload as tusd 2.x does, a week ago. */
function store(folder: string, { id, bytes, info }: Stored): void {
  const text = JSON.stringify({
    ID: id,
    Size: bytes.length,
    SizeIsDeferred: false,
    Offset: 0,
    MetaData: {},
    IsPartial: false,
    IsFinal: false,
    PartialUploads: null,
    Storage: { InfoPath: `data/${id}.info`, Path: `data/${id}`, Type: 'filestore' },
    ...info,
  })
  writeFileSync(join(folder, `${id}.info`), text)
  writeFileSync(join(folder, id), bytes)
  const then = new Date(Date.now() - 7 * DAY_MS)
  for (const name of [id, `${id}.info`]) utimesSync(join(folder, name), then, then)
}

function newId(): string {
  return randomBytes(16).toString('hex')
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** A tusd folder with an upload of each kind. */
function tusdFolder() {
  const folder = join(temporaryFolder(), 'tusd')
  mkdirSync(folder)
  const finished = {
    id: newId(),
    bytes: PNG,
    info: { MetaData: { filename: 'ä \u{1f600}.png', filetype: 'image/png' } },
  }
  const empty = { id: newId(), bytes: Buffer.alloc(0) }
  const unfinished = {
    id: newId(),
    bytes: SONG.subarray(0, 100_000),
    info: { Size: SONG.length, MetaData: { filename: 'a' } },
  }
  const deferred = { id: newId(), bytes: SONG.subarray(0, 50_000), info: { Size: 0, SizeIsDeferred: true } }
  const named = { id: '4f6a1b0c-5d2e-4c3b-9a8f-001122334455', bytes: Buffer.from('chosen by a hook') }
  const parts = [SONG.subarray(0, 1_000), SONG.subarray(1_000, 3_000)].map((bytes) => {
    return { id: newId(), bytes, info: { IsPartial: true } }
  })
  const ids = parts.map(({ id }) => id)
  const final = { id: newId(), bytes: SONG.subarray(0, 3_000), info: { IsFinal: true, PartialUploads: ids } }
  const all = [finished, empty, unfinished, deferred, named, ...parts, final]
  for (const upload of all) store(folder, upload)
  writeFileSync(join(folder, `${finished.id}.lock`), '999999999')
  return { folder, finished, empty, unfinished, deferred, named, parts, final, all }
}

function download(server: TestServer, id: string) {
  return send(server.origin, { method: 'GET', path: `/files/${id}` })
}

async function resume(server: TestServer, id: string, bytes: Buffer, options = {}) {
  const slice = async (start: number, end: number) => {
    const part = bytes.subarray(start, end)
    return { value: Object.assign(Readable.from([part]), { size: part.length }), done: end >= bytes.length }
  }
  const fileReader = { openFile: async () => ({ size: bytes.length, slice, close: () => {} }) }
  return sendWith(server, NO_INPUT, { uploadUrl: `${server.url}/${id}`, fileReader, ...options })
}

test('adopts finished and unfinished uploads of tusd, and clients go on at the same URLs', async () => {
  const { folder, finished, empty, unfinished, deferred, named, parts, final, all } = tusdFolder()
  const dataDir = join(temporaryFolder(), 'data')
  const names = readdirSync(folder).sort()
  const dry = await runCommand(['migrate-tusd', folder, '--data-dir', dataDir, '--dry-run'])
  assert.is(dry.code, 0, dry.stderr)
  assert.match(dry.stdout, /4 finished and 4 unfinished uploads would be taken over/)
  assert.match(dry.stdout, /-upload-dir .*--data-dir/)
  assert.equal(readdirSync(folder).sort(), names, 'nothing is changed')
  const { code, stdout, stderr } = await runCommand(['migrate-tusd', folder, '--data-dir', dataDir])
  assert.is(code, 0, stderr)
  for (const { id, bytes } of all)
    assert.ok(stdout.includes(`${id}: `) && stdout.includes(sha256(bytes)), stdout)
  assert.equal(readdirSync(folder), [])
  const server = await startServer([], dataDir)
  try {
    const got = await download(server, finished.id)
    assert.is(got.status, 200)
    assert.is(got.headers['content-type'], 'image/png')
    assert.is(sha256(got.bytes), sha256(PNG))
    for (const { id, bytes } of [empty, named, final])
      assert.is(sha256((await download(server, id)).bytes), sha256(bytes))
    const { text } = await send(server.origin, { method: 'GET', path: `/api/uploads/${finished.id}` })
    const { state, filename, sha256: digest, path } = JSON.parse(text)
    assert.equal(
      [state, filename, digest, path],
      ['finished', 'ä \u{1f600}.png', sha256(PNG), `uploads/adopted/${finished.id}`],
    )
    assert.is((await tus.head(server, `/files/${unfinished.id}`)).headers['upload-offset'], '100000')
    const sent = await resume(server, unfinished.id, SONG)
    assert.equal(sent.answers, ['HEAD 200', 'PATCH 204'])
    assert.is(sent.digest, `sha-256=:${createHash('sha256').update(SONG).digest('base64')}:`)
    assert.is(sha256((await download(server, unfinished.id)).bytes), sha256(SONG))
    await resume(server, deferred.id, SONG, { uploadLengthDeferred: true })
    assert.is(sha256((await download(server, deferred.id)).bytes), sha256(SONG))
    // The parts have all of --expire-after from now on, and can be joined again.
    const paths = parts.map(({ id }) => `/files/${id}`)
    // 503 says that the server has just started and still looks for parts.
    const joined = await eventually(60_000, 'the joined upload', async () => {
      const answer = await tus.join(server, paths)
      return answer.status === 503 ? undefined : answer
    })
    assert.is(joined.status, 201, joined.text)
    const head = await tus.head(server, `/files/${final.id}`)
    assert.is(head.headers['upload-concat'], `final;${paths.join(' ')}`)
    assert.is((await tus.remove(server, `/files/${named.id}`)).status, 204)
    assert.is((await download(server, named.id)).status, 404)
  } finally {
    await server.stop()
  }
  const checked = await runCommand(['check', '--data-dir', dataDir])
  assert.is(checked.code, 0, checked.stdout)
})

test('leaves what cannot be adopted, says why, and exits with 1', async () => {
  const folder = join(temporaryFolder(), 'tusd')
  mkdirSync(join(folder, 'sub'), { recursive: true })
  const bytes = Buffer.from('some bytes')
  const left: readonly (readonly [Stored, RegExp])[] = [
    [{ id: newId(), bytes, info: { Size: 3 } }, /more bytes than its length/],
    [{ id: newId(), bytes, info: { ID: newId() } }, /has another id/],
    [{ id: newId(), bytes, info: { Size: -1 } }, /no .info of tusd/],
    [{ id: 'sub/upload-0123456789', bytes }, /its id has a form/],
    [
      { id: newId(), bytes, info: { Size: 99, IsFinal: true, PartialUploads: [newId()] } },
      /parts are not joined/,
    ],
    [{ id: newId(), bytes, info: { Storage: { Path: '/etc/passwd', InfoPath: '' } } }, /./],
  ]
  for (const [upload] of left.slice(0, 5)) store(folder, upload)
  const outside = newId()
  store(folder, {
    id: outside,
    bytes,
    info: { Storage: { Path: '/etc/hostname', InfoPath: `/srv/${outside}.info` } },
  })
  const lost = newId()
  store(folder, { id: lost, bytes })
  const orphan = newId()
  writeFileSync(join(folder, orphan), bytes)
  const dataDir = join(temporaryFolder(), 'data')
  const { code, stdout, stderr } = await runCommand(['migrate-tusd', folder, '--data-dir', dataDir])
  assert.is(code, 1)
  assert.match(stdout, /1 finished and 0 unfinished uploads taken over.*; 7 left/)
  for (const [{ id }, why] of left.slice(0, 5)) {
    const line = stderr.split('\n').find((text) => text.includes(id)) ?? ''
    assert.match(line, why)
  }
  assert.match(stderr, new RegExp(`${outside} is left: its bytes are outside`))
  assert.match(stderr, new RegExp(`${orphan} is left: there is no .info`))
  assert.equal(readFileSync(join(folder, orphan)), bytes)
})

test('goes on after an interruption at any step, and refuses a folder that a server has', async () => {
  const { folder, finished, all } = tusdFolder()
  const dataDir = join(temporaryFolder(), 'data')
  const info = readFileSync(join(folder, `${finished.id}.info`))
  const args = ['migrate-tusd', folder, '--data-dir', dataDir]
  const first = await runCommand(args)
  assert.is(first.code, 0, first.stderr)
  // As after a crash behind the move of the bytes.
  writeFileSync(join(folder, `${finished.id}.info`), info)
  const again = await runCommand(args)
  assert.is(again.code, 0, again.stderr)
  assert.equal(readdirSync(folder), [])
  const server = await startServer([], dataDir)
  try {
    assert.is(rowsOf(server).size, all.length)
    const refused = await runCommand(args)
    assert.is(refused.code, 1)
    assert.match(refused.stderr, /^lading: the data folder .* is in use by /)
  } finally {
    await server.stop()
  }
  store(folder, { ...finished, bytes: Buffer.from('other bytes') })
  const twice = await runCommand(args)
  assert.is(twice.code, 1)
  assert.match(twice.stderr, /Lading has an upload with this id already/)
})

test('a wrong argument is answered with one line and exit 2', async () => {
  for (const args of [[], ['--dry-run'], ['x', '--dry-run=yes']]) {
    const { code, stderr } = await runCommand(['migrate-tusd', ...args])
    assert.is(code, 2)
    assert.match(stderr, /^lading: [^\n]+\n$/)
  }
})

test.run()
