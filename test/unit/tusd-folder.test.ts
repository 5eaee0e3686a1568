import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TusdFolder } from '../../server/commands/migrate/tusd-folder.js'
import { everyName } from '../../server/files/every-name.js'
import { temporaryFolder } from '../helpers/server.js'

const NOBODY = 65_534
const [ID, CLOSED] = ['0123456789abcdef', 'fedcba9876543210']

/** Works as a user who may not read everything. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  const uid = process.geteuid?.() ?? -1
  if (uid === 0) process.seteuid?.(NOBODY)
  try {
    return await work()
  } finally {
    if (uid === 0) process.seteuid?.(0)
  }
}

async function all<T>(found: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of found) items.push(item)
  return items
}

/** A folder in a root of a disk, with a file and a folder that cannot be read. */
function closedIn(path: string): void {
  for (const name of ['lost+found', 'closed']) mkdirSync(join(path, name), { mode: 0o000 })
  chmodSync(path, 0o755)
}

test('what of the folder of tusd cannot be read is left and named, and everything else is adopted', async () => {
  const path = temporaryFolder()
  for (const id of [ID, CLOSED]) {
    writeFileSync(join(path, id), 'bytes')
    writeFileSync(join(path, `${id}.info`), JSON.stringify({ ID: id, Size: 5 }))
  }
  chmodSync(join(path, `${CLOSED}.info`), 0o000)
  closedIn(path)
  const found = await asNobody(() => all(new TusdFolder(path).uploads()))
  const shown = found.map((each) =>
    each.kind === 'left' ? `${each.name} ${each.why.slice(0, 6)}` : each.info.ID,
  )
  assert.equal(shown.sort(), [ID, 'closed EACCES', `${CLOSED}.info EACCES`].sort())
})

test('a folder that cannot be read is a fault of the data folder, but for that of the disk', async () => {
  const dataDir = temporaryFolder()
  chmodSync(dataDir, 0o755)
  mkdirSync(join(dataDir, 'uploads'))
  closedIn(join(dataDir, 'uploads'))
  const found = await asNobody(() => all(everyName(dataDir)))
  assert.equal(
    found.map(({ path }) => path),
    ['uploads/closed'],
  )
})

test.run()
