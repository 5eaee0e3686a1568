import * as fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FileRange } from '../../server/files/file-range.js'
import { OpenFiles } from '../../server/files/open-files.js'
import { BytesFault } from '../../server/model/engine-error.js'
import { openUploads } from '../helpers/descriptors.js'
import { temporaryFolder } from '../helpers/server.js'

const folder = join(temporaryFolder(), 'uploads/2026/11/25')
fs.mkdirSync(folder, { recursive: true })
let made = 0

/** A file of an upload with these bytes. */
function stored(text: string): string {
  made += 1
  const path = join(folder, `upload-${made}`)
  fs.writeFileSync(path, text)
  return path
}

function codeOf(act: () => void): string {
  try {
    act()
  } catch (error) {
    if (error instanceof BytesFault) return error.code
    throw error
  }
  return 'none'
}

test('a file that is not as long as the offset is not opened, and no descriptor stays', () => {
  const files = new OpenFiles()
  const path = stored('12345')
  assert.is(
    codeOf(() => files.open(path, 4)),
    'DAMAGED',
  )
  assert.is(
    codeOf(() => files.open(path, 6)),
    'DAMAGED',
  )
  assert.is(
    codeOf(() => files.open(`${path}-not`, 0)),
    'MISSING',
  )
  assert.equal(openUploads(process), [])
})

test('an open file is compared before each write', () => {
  const files = new OpenFiles()
  const path = stored('12345')
  assert.is(files.open(path, 5), files.open(path, 5), 'one descriptor')
  fs.truncateSync(path, 2)
  assert.is(
    codeOf(() => files.open(path, 5)),
    'DAMAGED',
  )
  files.close(`upload-${made}`)
  files.close(`upload-${made}`)
  assert.equal(openUploads(process), [])
})

test('another file in the place of the open one is seen, also where it has as many bytes', () => {
  const files = new OpenFiles()
  const path = stored('12345')
  files.open(path, 5)
  files.check(path, 5)
  fs.writeFileSync(`${path}.new`, '12345')
  fs.renameSync(`${path}.new`, path)
  assert.is(
    codeOf(() => files.check(path, 5)),
    'REPLACED',
  )
  fs.rmSync(path)
  assert.is(
    codeOf(() => files.check(path, 5)),
    'MISSING',
  )
  files.close(`upload-${made}`)
})

test('a file that is shorter is not filled with zeros', () => {
  const files = new OpenFiles()
  const path = stored('12345')
  assert.is(
    codeOf(() => files.cut(path, 6)),
    'DAMAGED',
  )
  assert.is(fs.statSync(path).size, 5)
  files.cut(path, 3)
  assert.is(fs.readFileSync(path, 'utf8'), '123')
})

test('a descriptor that a flush uses is closed behind it', async () => {
  const files = new OpenFiles()
  const path = stored('12345')
  files.open(path, 5)
  let end = (): void => {}
  const used = files.use(path, () => new Promise<void>((resolve) => (end = resolve)))
  files.close(`upload-${made}`)
  assert.is(openUploads(process).length, 1)
  end()
  await used
  assert.equal(openUploads(process), [])
})

test('a file that is gone is MISSING to a reader too, also where its folder is gone, or is a file by now', async () => {
  const paths = [
    join(folder, 'no-such'),
    join(folder, 'no-folder', 'upload'),
    join(stored('a file'), 'upload'),
  ]
  for (const path of paths) {
    const error: unknown = await FileRange.open(path, { from: 0, to: 4 }).catch((thrown: unknown) => thrown)
    assert.instance(error, BytesFault)
    assert.match(String(error), 'MISSING')
  }
})

test.run()
