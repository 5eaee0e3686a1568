import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Signer } from '../../server/http/auth/signer.js'
import { temporaryFolder } from '../helpers/server.js'

const test = suite('signer')

test('an empty file of the key, as a crash or a full disk leaves one, does not end all signing', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'lading.key')
  writeFileSync(path, '', { mode: 0o644 })
  const signature = (await new Signer(path).for('link'))('text')
  assert.match(readFileSync(path, 'utf8'), /^[0-9a-f]{64}\n$/)
  assert.is(statSync(path).mode & 0o777, 0o600)
  assert.equal(readdirSync(folder), ['lading.key'])
  // As after a restart.
  assert.ok(await new Signer(path).isSigned('link', 'text', signature))
  assert.not(await new Signer(path).isSigned('grant', 'text', signature))
})

test.run()
