import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startServer, temporaryFolder } from '../helpers/server.js'
import { needsProgram } from '../helpers/test.js'

const test = suite('readme')

const README = new URL('../../../README.md', import.meta.url)

const script = /<!-- upload -->\n\n```sh\n([\s\S]*?)```\n\n<!-- \/upload -->/.exec(
  readFileSync(README, 'utf8'),
)?.[1]

needsProgram(
  test,
  'bash',
  'curl',
)('the upload in the README resumes at its offset, and the file and the digest are right', async () => {
  if (script === undefined) throw new Error('README.md has no <!-- upload --> … <!-- /upload -->')
  const server = await startServer()
  const folder = temporaryFolder()
  const commands = script.replaceAll('http://127.0.0.1:1080', server.origin)
  const { stdout, stderr, status } = spawnSync('bash', ['-eo', 'pipefail', '-c', commands], {
    cwd: folder,
    encoding: 'utf8',
  })
  assert.is(status, 0, stderr)
  const digest = createHash('sha256')
    .update(readFileSync(join(folder, 'video.bin')))
    .digest()
  const [offset, reprDigest, record, downloaded, kept, ...more] = stdout.trim().split(/\r?\n/)
  assert.is(offset, 'Upload-Offset: 40000000')
  assert.is(reprDigest, `Repr-Digest: sha-256=:${digest.toString('base64')}:`)
  assert.match(record ?? '', '"filename":"video.bin"')
  assert.match(record ?? '', '"state":"finished"')
  assert.is(downloaded, `${digest.toString('hex')}  -`)
  assert.is(kept, `${digest.toString('hex')}  video.bin`)
  assert.equal(more, [])
  assert.is(await server.stop(), 0)
})

test.run()
