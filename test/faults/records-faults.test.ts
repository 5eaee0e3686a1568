import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type Place,
  placeFor,
  RECORD_BYTES,
  range,
  record,
  rejection,
  rows,
  sidecars,
  until,
} from '../helpers/records-place.js'

const test = suite<Place>('records, faults')
placeFor(test)

test('sets a corrupt database aside and begins anew', async ({ open, path, folder, lines }) => {
  writeFileSync(path, 'this is no database. '.repeat(1000))
  const records = open()
  assert.equal(await records.ready, { fresh: true, newestAt: null })
  records.put(record(1))
  assert.ok(await records.flush(10_000))
  assert.is(rows(path).length, 1)
  const aside = readdirSync(folder).filter((name) => name.startsWith('lading.db.corrupt-'))
  assert.is(aside.length, 1)
  assert.match(readFileSync(join(folder, aside[0] ?? ''), 'utf8'), /^this is no database/)
  assert.ok(lines.includes('error: a damaged database was set aside'))
})

test('sets a database aside whose tables vanish while in use, and asks for a reindex', async (place) => {
  const causes: string[] = []
  const records = place.open({ onNeedsReindex: (cause) => causes.push(cause) })
  await records.ready
  const other = await place.lock('DROP TABLE uploads')
  records.put(record(1))
  assert.ok(await records.flush(10_000))
  assert.equal(causes, ['replaced'])
  assert.is(rows(place.path).length, 1)
  await other.release()
})

test('begins anew when the file is deleted while in use, and asks for a reindex', async (place) => {
  const causes: string[] = []
  const records = place.open({ onNeedsReindex: (cause) => causes.push(cause) })
  records.put(record(1))
  assert.ok(await records.flush(10_000))
  for (const end of ['', '-wal', '-shm']) rmSync(`${place.path}${end}`)
  records.put(record(2))
  assert.ok(await records.flush(10_000))
  assert.equal(
    rows(place.path).map((row) => row.id),
    [record(2).id],
  )
  assert.equal(causes, ['replaced'])
})

test('tries again while the folder is missing, and logs that once', async ({ open, folder, lines }) => {
  const inner = join(folder, 'later')
  const records = open({ databasePath: join(inner, 'lading.db') })
  records.put(record(1))
  const failures = () => lines.filter((line) => line.startsWith('error: the database cannot be written'))
  await until(() => failures().length > 0)
  const firstMs = performance.now()
  await until(() => performance.now() - firstMs > 500)
  assert.is(failures().length, 1)
  mkdirSync(inner)
  assert.ok(await records.flush(5000))
  assert.is(rows(join(inner, 'lading.db')).length, 1)
})

test('a thread that dies is started again and gets its batch back', async ({ open, folder, path, lines }) => {
  const script = join(folder, 'dies-once.mjs')
  const real = new URL('../../server/records/sqlite/sqlite-thread-main.js', import.meta.url)
  writeFileSync(
    script,
    `import { existsSync, writeFileSync } from 'node:fs'
     import { parentPort } from 'node:worker_threads'
     const mark = ${JSON.stringify(join(folder, 'died'))}
     if (existsSync(mark)) await import(${JSON.stringify(real.href)})
     else parentPort.on('message', ({ kind }) => {
       if (kind !== 'batch') return
       writeFileSync(mark, '')
       throw new Error('it dies')
     })`,
  )
  const records = open({ threadScript: pathToFileURL(script) })
  records.put(record(1))
  records.put(record(2))
  await until(() => lines.some((line) => line.includes('thread died')))
  records.put(record(2, { offset: 8 }))
  assert.ok(await records.flush(10_000))
  assert.equal(
    rows(path).map((row) => row.offset),
    [0, 8],
  )
})

test('a call that the dead thread had is rejected, and none hangs', async ({ open, folder }) => {
  const script = join(folder, 'dies.mjs')
  const deadly = `import { parentPort } from 'node:worker_threads'
    parentPort.on('message', () => process.exit(3))`
  writeFileSync(script, deadly)
  const records = open({ threadScript: pathToFileURL(script) })
  assert.is((await rejection(records.get('any'))).problem, 'failing')
  const mute = join(folder, 'mute.mjs')
  writeFileSync(mute, deadly.replace('process.exit(3)', '{}'))
  const slow = open({ threadScript: pathToFileURL(mute), databasePath: join(folder, 'other.db') })
  assert.is((await rejection(slow.get('any'))).problem, 'slow')
  await Promise.all([records.close(10), slow.close(10)])
})

test('the index is whole after its reindex, and no more once its file is lost or replaced', async (place) => {
  const records = place.open()
  assert.is(records.wholeSinceMs, Number.POSITIVE_INFINITY, 'not open yet')
  await records.ready
  const openedMs = Date.now()
  assert.is(records.wholeSinceMs, Number.POSITIVE_INFINITY, 'begun anew')
  await records.reindex(sidecars(), async () => true)
  const first = records.wholeSinceMs
  assert.ok(first <= openedMs, `${first}`)
  await records.close(5000)
  const again = place.open()
  await again.ready
  assert.is(again.wholeSinceMs, first, 'the database remembers it')
  copyFileSync(place.path, `${place.path}.copy`)
  for (const end of ['', '-wal', '-shm']) rmSync(`${place.path}${end}`, { force: true })
  again.put(record(1))
  assert.ok(await again.flush(10_000))
  assert.is(again.wholeSinceMs, Number.POSITIVE_INFINITY, 'lost')
  await again.reindex(sidecars(), async () => true)
  const second = again.wholeSinceMs
  assert.ok(second > first && second <= Date.now(), `${second}`)
  for (const end of ['-wal', '-shm']) rmSync(`${place.path}${end}`, { force: true })
  renameSync(`${place.path}.copy`, place.path)
  again.put(record(2))
  assert.ok(await again.flush(10_000))
  assert.is(again.wholeSinceMs, Number.POSITIVE_INFINITY, 'replaced by an older copy')
})

test('an end before the reindex that an older copy needs is not a clean one', async (place) => {
  const first = place.open()
  await first.reindex(sidecars(), async () => true)
  await first.close(5000)
  copyFileSync(place.path, `${place.path}.copy`)
  const second = place.open()
  await second.ready
  second.leaveClean()
  for (const end of ['-wal', '-shm']) rmSync(`${place.path}${end}`, { force: true })
  renameSync(`${place.path}.copy`, place.path)
  second.put(record(1))
  assert.ok(await second.flush(10_000))
  await second.close(5000)
  const third = place.open()
  await third.ready
  assert.is(await third.takeClean(), false)
})

test('the index is not whole while states were dropped, until a reindex ends', async (place) => {
  let due = 0
  const records = place.open({ queueBytes: 4 * RECORD_BYTES, onNeedsReindex: () => due++ })
  await records.ready
  await records.reindex(sidecars(), async () => true)
  const first = records.wholeSinceMs
  const { release } = await place.lock('BEGIN EXCLUSIVE')
  for (const number of range(10)) records.put(record(number))
  assert.is(records.wholeSinceMs, Number.POSITIVE_INFINITY)
  const droppedMs = Date.now()
  await release()
  await until(() => due === 1)
  assert.is(records.wholeSinceMs, Number.POSITIVE_INFINITY, 'the reindex is only due')
  await records.reindex(sidecars(), async () => true)
  assert.ok(records.wholeSinceMs >= droppedMs && droppedMs >= first)
})

test('a thread that hangs has few calls in its line, however many questions were given up', async (place) => {
  const script = join(place.folder, 'hangs.mjs')
  const mark = join(place.folder, 'calls')
  writeFileSync(mark, '')
  writeFileSync(
    script,
    `import { appendFileSync } from 'node:fs'
     import { parentPort } from 'node:worker_threads'
     parentPort.on('message', ({ kind }) => kind === 'call' && appendFileSync(${JSON.stringify(mark)}, '.'))`,
  )
  const records = place.open({ threadScript: pathToFileURL(script) })
  for (const _ of range(2)) {
    const problems = range(1100).map(async (number) => (await rejection(records.get(`${number}`))).problem)
    const counts = (await Promise.all(problems)).map((problem) => (problem === 'slow' ? 1 : 0))
    assert.is(counts.filter((count) => count === 1).length, 1024, 'the others are overloaded')
  }
  const arrived = readFileSync(mark, 'utf8').length
  assert.ok(arrived <= 64, `${arrived} calls`)
  await records.close(10)
})

test.run()
