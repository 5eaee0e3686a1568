import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HashedFile } from '../../server/commands/upload/hashed-file.js'
import { temporaryFolder } from '../helpers/server.js'

const CONTENT = randomBytes(1_000_000)
const NEVER = new AbortController().signal

async function opened(): Promise<HashedFile> {
  const path = join(temporaryFolder(), 'file')
  writeFileSync(path, CONTENT)
  return await HashedFile.open(path, (error) => assert.unreachable(String(error)))
}

test('the digest is that of the file, whatever was sent again or was on the server before', async () => {
  const file = await opened()
  for (const [start, pieces] of [
    [300_000, 1],
    [0, 2],
    [700_001, 1],
    [299_999, 1],
  ] as const) {
    const { value } = await file.slice(start, Number.POSITIVE_INFINITY)
    const body = value[Symbol.asyncIterator]()
    for (let read = 0; read < pieces; read += 1) {
      const { value: piece } = await body.next()
      assert.ok(piece.length > 0)
    }
  }
  assert.is(await file.digest(NEVER), createHash('sha256').update(CONTENT).digest('base64'))
  await file.end()
})

test('a signal ends the reading for the digest', async () => {
  const file = await opened()
  const reason = await file.digest(AbortSignal.abort('SIGINT')).catch((error: unknown) => error)
  assert.is(reason, 'SIGINT')
  await file.end()
})

test.run()
