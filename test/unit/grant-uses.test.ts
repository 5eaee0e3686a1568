import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { GrantUses } from '../../server/http/auth/grant-uses.js'
import type { Grant } from '../../server/model/grant.js'
import { eventually, temporaryFolder } from '../helpers/server.js'

const test = suite('grant uses')

const HOUR_S = 3_600
const NOW_S = 1_000_000
const LOG = { error() {} }

const idOf = (digit: string): string => digit.repeat(32)

const fileOf = (digit: string): string => `${idOf(digit)}.json`

function grantOf(digit: string, expiresAt: number): Grant {
  return { id: idOf(digit), expiresAt, count: 2, maxSize: null, accept: null, owner: null, metadata: {} }
}

/** A folder with files of grants; each text is a file's. */
function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = join(temporaryFolder(), 'grants')
  mkdirSync(folder)
  for (const [digit, text] of Object.entries(files)) writeFileSync(join(folder, fileOf(digit)), text)
  return folder
}

test('a damaged file of one grant does not keep another grant from being used', async () => {
  const folder = folderWith({ a: '', b: '{"expiresAt":"x"}' })
  const uses = new GrantUses(folder, { now: () => NOW_S * 1000, log: LOG })
  await uses.take(grantOf('c', NOW_S + HOUR_S), 'one')
  assert.equal(JSON.parse(readFileSync(join(folder, fileOf('c')), 'utf8')).uploads, ['one'])
})

test("files are kept until an hour after the grant's time is over, and then removed", async () => {
  const ended = (seconds: number) => JSON.stringify({ expiresAt: NOW_S - seconds, uploads: ['x'] })
  const folder = folderWith({ a: ended(HOUR_S / 2), b: ended(2 * HOUR_S), c: ended(-HOUR_S), d: '{' })
  let nowS = NOW_S
  const uses = new GrantUses(folder, { now: () => nowS * 1000, log: LOG })
  const left = (...digits: readonly string[]) =>
    eventually(30_000, `${digits} alone`, async () => {
      return readdirSync(folder).sort().join() === digits.map(fileOf).join() || undefined
    })
  await uses.take(grantOf('e', NOW_S + 9 * HOUR_S), 'one')
  await left('a', 'c', 'd', 'e')
  nowS += HOUR_S
  await uses.take(grantOf('e', NOW_S + 9 * HOUR_S), 'two')
  await left('c', 'd', 'e')
})

test.run()
