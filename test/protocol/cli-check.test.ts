import { randomBytes } from 'node:crypto'
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runCommand, startCommand } from '../helpers/command.js'
import { rowsOf } from '../helpers/proof.js'
import {
  eventually,
  idOf,
  locationOf,
  startServer,
  type TestServer,
  temporaryFolder,
  tus,
} from '../helpers/server.js'

const test = suite<{ server: TestServer }>('lading check')

const LENGTH = 600_000

test.before(async (context) => {
  context.server = await startServer()
})

test.after(async ({ server }) => {
  await server.stop('SIGKILL')
})

/** An upload with so many bytes of its length; gives its id and the path of its file. */
async function upload(server: TestServer, bytes = LENGTH): Promise<{ id: string; path: string }> {
  const created = await tus.create(server, LENGTH)
  const content = Buffer.concat([Buffer.alloc(16), randomBytes(LENGTH)]).subarray(0, bytes)
  assert.is((await tus.patch(server, locationOf(created), 0, content)).status, 204)
  const id = idOf(locationOf(created))
  const [year, month, day] = [id.slice(0, 4), id.slice(4, 6), id.slice(6, 8)]
  return { id, path: join(server.dataDir, 'uploads', year, month, day, id) }
}

/** The findings of a check by their path, and its exit code. */
async function findings(dataDir: string) {
  const { code, stdout, stderr } = await runCommand(['check', '--json', '--data-dir', dataDir])
  const lines = stdout.split('\n').filter((line) => line !== '')
  const [sum, ...found] = lines.map((line) => JSON.parse(line)).reverse()
  assert.ok(sum, stderr)
  return {
    code,
    sum,
    found: new Map(found.map(({ id, path, finding, why }) => [id ?? path, { finding, why }])),
  }
}

test('finds nothing wrong beside a running server, whatever is in its folder, and exits with 0', async ({
  server,
}) => {
  await upload(server)
  const { path } = await upload(server, 1_000)
  await upload(server, 0)
  // The server writes the digest of an unfinished upload into its sidecar after the answer.
  await eventually(60_000, 'the checkpoint', async () => {
    return /"offset":\s*1000\b/.test(readFileSync(`${path}.json`, 'utf8')) || undefined
  })
  // The server opens its database behind the first answers.
  await eventually(60_000, 'the rows', async () => (rowsOf(server).size === 3 ? true : undefined))
  const before = readdirSync(server.dataDir, { recursive: true }).sort()
  const { code, sum, found } = await findings(server.dataDir)
  assert.equal([...found], [])
  assert.is(code, 0)
  assert.ok(sum.uploads >= 3)
  assert.ok(sum.bytes >= LENGTH + 1_000)
  assert.equal(readdirSync(server.dataDir, { recursive: true }).sort(), before, 'nothing is changed')
})

test('names what is missing, foreign or damaged, and exits with 1', async () => {
  const server = await startServer()
  const ways: readonly (readonly [string, string, RegExp, (path: string) => void])[] = [
    ['a byte changed', 'damaged', /the digest of its first 600000 bytes is/, (path) => change(path, 300_000)],
    ['longer', 'damaged', /600001 bytes are stored, not 600000/, (path) => appendFileSync(path, 'x')],
    ['shorter', 'damaged', /599999 bytes are stored/, (path) => truncateSync(path, LENGTH - 1)],
    ['no bytes', 'missing', /a sidecar without its bytes/, (path) => rmSync(path)],
    [
      'no files',
      'missing',
      /a record \(finished\) without/,
      (path) => {
        for (const each of [path, `${path}.json`]) rmSync(each)
      },
    ],
    [
      'torn sidecar',
      'damaged',
      /sidecar is torn; its record proves/,
      (path) => truncateSync(`${path}.json`, 40),
    ],
    [
      'no sidecar',
      'damaged',
      /sidecar is missing; by its record, the digest/,
      (path) => {
        rmSync(`${path}.json`)
        change(path, 0)
      },
    ],
    ['newer', 'foreign', /another version/, (path) => writeFileSync(`${path}.json`, '{ "version": 2 }')],
    [
      'moved',
      'missing',
      /a record/,
      (path) => {
        for (const each of [path, `${path}.json`]) renameSync(each, `${each}.bak`)
      },
    ],
  ]
  const made: { id: string; path: string }[] = []
  for (const _ of ways) made.push(await upload(server))
  const [partial, whole] = [await upload(server, 1_000), await upload(server)]
  assert.is(await server.stop(), 0)
  for (const [index, [, , , damage]] of ways.entries()) damage(made[index]?.path ?? '')
  change(partial.path, 500)
  writeFileSync(`${whole.path}.json.tmp`, 'left by a crash')
  writeFileSync(join(server.dataDir, 'uploads', 'notes.txt'), 'somebody')
  const { code, sum, found } = await findings(server.dataDir)
  assert.is(code, 1)
  for (const [index, [name, finding, why]] of ways.entries()) {
    const given = found.get(made[index]?.id)
    assert.is(given?.finding, finding, name)
    assert.match(given?.why, why, name)
  }
  assert.match(found.get(partial.id)?.why, /the digest of its first 1000 bytes/)
  assert.is(found.get('uploads/notes.txt')?.finding, 'foreign')
  assert.not.ok(found.has(whole.id))
  // Two names that end with .bak, and notes.txt, belong to no upload.
  assert.equal([sum.missing, sum.foreign, sum.damaged, sum.leftovers], [3, 4, 6, 1])
  // Without the records, what is in the files is found all the same.
  const databasePath = join(server.dataDir, 'lading.db')
  const database = readFileSync(databasePath)
  writeFileSync(databasePath, database.fill(0xff, 4096))
  const without = await findings(server.dataDir)
  assert.is(without.code, 1)
  assert.equal([without.sum.missing, without.sum.foreign, without.sum.damaged], [1, 4, 6])
})

/** Changes a byte and keeps the length. */
function change(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

test('takes an upload that is removed meanwhile for no fault, and reads no faster than --rate', async ({
  server,
}) => {
  const made: { id: string; path: string }[] = []
  for (let count = 0; count < 4; count += 1) made.push(await upload(server))
  const beganMs = performance.now()
  const command = startCommand(['check', '--rate', '512KiB', '--data-dir', server.dataDir])
  const reads = await eventually(30_000, 'a file that is read', async () => {
    const folder = `/proc/${command.process.pid}/fd`
    const open = readdirSync(folder).map((fd) => linkOf(join(folder, fd)))
    return made.find(({ path }) => open.includes(path))
  })
  for (const { id } of made.filter(({ id }) => id !== reads.id)) await tus.remove(server, `/files/${id}`)
  assert.is(await command.ended(), 0, command.stdout())
  const [, proven = '0'] = /, ([\d.]+) KiB proven/.exec(command.stdout()) ?? []
  const atLeastMs = (Number(proven) / 512) * 1_000 - 500
  assert.ok(performance.now() - beganMs >= atLeastMs, command.stdout())
})

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

test('goes on without a database that cannot be read, and says what is not noticed then', async () => {
  const dataDir = temporaryFolder()
  mkdirSync(join(dataDir, 'lading.db'))
  const { code, stderr } = await runCommand(['check', '--data-dir', dataDir])
  assert.is(code, 0)
  assert.match(stderr, /^lading: lading\.db cannot be read: [^\n]+\n$/)
})

test('a wrong argument, or setting, is answered with one line and exit 2', async () => {
  for (const args of [
    ['--rate', 'fast'],
    ['--rate'],
    ['--json=yes'],
    ['--port', 'x'],
    ['--prot', '80'],
    ['folder'],
    ['--data-dir', join(temporaryFolder(), 'none')],
  ]) {
    const { code, stderr } = await runCommand(['check', ...args])
    assert.is(code, 2, stderr)
    assert.match(stderr, /^lading: [^\n]+\n$/)
  }
})

test.run()
