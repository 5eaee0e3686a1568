import { mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Migration, type MigrationTools } from '../../server/commands/migrate/migration.js'
import { TusdFolder } from '../../server/commands/migrate/tusd-folder.js'
import { Adoption } from '../../server/files/adoption.js'
import { fakeConsole } from '../helpers/fake-console.js'
import { temporaryFolder } from '../helpers/server.js'
import { factsOf } from '../helpers/stored-upload.js'
import { sha256 } from '../helpers/upload-fakes.js'

const ID = '0123456789abcdef0123456789abcdef'
const BYTES = 'bytes of tusd'
const NEVER = new AbortController().signal

test('bytes are touched before they are moved: a crash between the two may not let an upload expire', async () => {
  const folder = temporaryFolder()
  const bytesPath = join(folder, ID)
  writeFileSync(bytesPath, BYTES, { mode: 0o600 })
  utimesSync(bytesPath, 1_000, 1_000)
  // The move fails.
  mkdirSync(join(folder, 'data', 'uploads', 'adopted', ID), { recursive: true })
  const adoption = new Adoption(join(folder, 'data'), 'boot')
  const adopted = await adoption
    .adopt({ facts: factsOf(ID), bytesPath, touch: true }, NEVER)
    .catch((error: Error) => error.message)
  assert.match(adopted ?? '', /EISDIR|ENOTEMPTY/)
  const { mtimeMs, mode } = statSync(bytesPath)
  assert.ok(mtimeMs > 1_000_000, `${mtimeMs}`)
  assert.is(mode & 0o777, 0o640)
})

/** Migrates one finished upload into a folder that has an upload of this id already. */
async function migrateOnto(stored: string) {
  const path = temporaryFolder()
  writeFileSync(join(path, ID), BYTES)
  writeFileSync(join(path, `${ID}.info`), JSON.stringify({ ID, Size: BYTES.length }))
  const adopted: string[] = []
  const tools: MigrationTools = {
    folder: new TusdFolder(path),
    basePath: '/files',
    isDry: false,
    load: async () => ({
      kind: 'upload',
      storedBytes: stored.length,
      facts: factsOf(ID, { length: stored.length, sha256: sha256(stored) }),
    }),
    adopt: async ({ facts, bytesPath }) => {
      adopted.push(`${facts.id} ${readFileSync(bytesPath, 'utf8')}`)
    },
    record: async () => {},
    flush: async () => {},
    typeOf: async () => 'text/plain',
  }
  const { left } = await new Migration(tools, fakeConsole().console).run()
  return { adopted, left }
}

test('an upload that was copied before an interruption is adopted again, and removed from the folder of tusd', async () => {
  assert.equal(await migrateOnto(BYTES), { adopted: [`${ID} ${BYTES}`], left: 0 })
})

test('an upload of Lading with the same id is never replaced by other bytes', async () => {
  assert.equal(await migrateOnto('BYTES OF TUSD'), { adopted: [], left: 1 })
})

test.run()
