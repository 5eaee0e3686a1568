import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ANONYMOUS, mayAccess } from '../../server/model/principal.js'
import { Joiner } from '../../server/storage/joiner.js'
import { pathsOf } from '../../server/storage/paths.js'
import type { StorageTools } from '../../server/storage/tools.js'
import { StoredUpload } from '../../server/storage/upload.js'
import { temporaryFolder } from '../helpers/server.js'

const PART = `20261125-${'a'.repeat(32)}`
const FINAL = `20261125-${'f'.repeat(32)}`

/** An upload that has no bytes yet. */
function upload(dataDir: string, id: string, parts: readonly string[] | null): StoredUpload {
  const at = {
    createdAt: new Date().toISOString(),
    touchedAtMs: Date.now(),
    joinedAt: null,
    terminatedAt: null,
  }
  const told = { metadata: null, filename: null, declaredType: null, concat: 'partial', parts }
  const open = { type: null, checkpoints: [], sha256: null, finishedAt: null, verifiedTo: null }
  const made = new StoredUpload(
    { id, length: 4, offset: 0, bootId: 'boot', ...at, ...told, ...open },
    pathsOf(dataDir, id),
  )
  mkdirSync(dirname(made.paths.file), { recursive: true })
  writeFileSync(made.paths.file, '')
  return made
}

test('a final upload whose creation fails once its files are made is removed again', async () => {
  const dataDir = temporaryFolder()
  const part = upload(dataDir, PART, null)
  let final: StoredUpload | undefined
  const removed: string[] = []
  const tools: StorageTools = Object.assign(Object.create(null), {
    ...{ dataDir, bootId: 'boot', now: Date.now, expireAfterMs: 86_400_000, keepPartialsMs: 0 },
    ...{ maxSizeBytes: 1000, disk: { isFull: async () => false }, row: async () => undefined },
    underLock: (_: string, work: () => Promise<void>) => work(),
    isHeldByRequest: () => false,
    mayAccess,
    log: { info: () => {}, warn: () => {}, error: () => {} },
  })
  const parts: ConstructorParameters<typeof Joiner>[0] = Object.assign(Object.create(null), {
    tools,
    uploads: {
      drop: () => {},
      peek: () => {
        if (final) throw new Error('EMFILE: too many open files')
        return part
      },
    },
    lifecycle: { remove: async ({ id }: StoredUpload) => void removed.push(id) },
  })
  const joiner = new Joiner(parts)
  await joiner.knowsAll()
  const wanted = { id: FINAL, parts: [PART], metadata: null, client: '127.0.0.1', principal: ANONYMOUS }
  const make = async (): Promise<StoredUpload> => {
    final = upload(dataDir, FINAL, [PART])
    return final
  }
  const failed = await joiner.create(wanted, make).catch((error: unknown) => error)
  assert.match(String(failed), 'EMFILE')
  assert.equal(removed, [FINAL])
  assert.not(joiner.wants(PART))
})

test.run()
