import { createHash } from 'node:crypto'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runCommand } from '../helpers/command.js'
import { startServer, type TestServer, tus } from '../helpers/server.js'
import { downloaded, fileOf, sha256, uploaded, uploadPlace } from '../helpers/upload-place.js'

const test = suite<{ server: TestServer }>('lading upload')

const MIB = 2 ** 20

test.before(async (context) => {
  context.server = await startServer(['--slots', '4'])
})

test.after(async ({ server }) => {
  await server.stop('SIGKILL')
})

test('sends folders with all that is in them, whatever their names are, and prints name, URL and digest of each', async ({
  server,
}) => {
  const { folder, env } = uploadPlace()
  const names = ['a.txt', 'empty', 'deep/er/na\nme \u{1f600}.bin', 'deep/link']
  await mkdir(join(folder, 'photos/deep/er'), { recursive: true })
  await writeFile(join(folder, 'photos/a.txt'), 'text')
  await writeFile(join(folder, 'photos/empty'), '')
  const bytes = await fileOf(join(folder, 'photos', names[2] ?? ''), 3 * MIB + 5)
  await symlink('../a.txt', join(folder, 'photos/deep/link'))
  // Does not end where a link leads back.
  await symlink('..', join(folder, 'photos/deep/up'))
  const { code, stdout, stderr } = await runCommand(['upload', 'photos', '--to', server.url], env, folder)
  assert.is(code, 0, stderr)
  assert.match(stderr, /photos\/deep\/up is skipped/)
  const found = uploaded(stdout)
  const shown = names.map((name) => `photos/${name.replace('\n', '\\n')}`)
  assert.equal([...found.keys()].sort(), [...shown].sort())
  for (const [index, content] of ['text', '', bytes, 'text'].entries()) {
    const result = found.get(shown[index] ?? '')
    assert.is(result?.sha256, sha256(Buffer.from(content)))
    assert.is(sha256(await downloaded(result?.url ?? '')), result?.sha256)
  }
  const head = await tus.head(server, found.get(shown[2] ?? '')?.url ?? '')
  const metadata = String(head.headers['upload-metadata'])
  const field = (key: string) => {
    const [, value = ''] = new RegExp(`(?:^|,)${key} ([^,]*)`).exec(metadata) ?? []
    return Buffer.from(value, 'base64').toString()
  }
  assert.is(field('relativePath'), `photos/${names[2]}`)
  assert.is(field('filename'), 'na\nme \u{1f600}.bin')
})

test('sends only what is missing when it is run again after a failure, and everything after a success', async ({
  server,
}) => {
  const { folder, env } = uploadPlace()
  await writeFile(join(folder, 'good'), 'good')
  const args = ['upload', join(folder, 'good'), join(folder, 'absent'), '--to', server.url]
  const first = await runCommand(args, env)
  assert.is(first.code, 1)
  assert.match(first.stderr, /absent is not uploaded: ENOENT/)
  await writeFile(join(folder, 'absent'), 'absent')
  const second = await runCommand(args, env)
  assert.is(second.code, 0, second.stderr)
  assert.is(uploaded(second.stdout).get('good')?.url, uploaded(first.stdout).get('good')?.url)
  const third = await runCommand(args, env)
  assert.is(third.code, 0, third.stderr)
  assert.is.not(uploaded(third.stdout).get('good')?.url, uploaded(second.stdout).get('good')?.url)
})

test('tells a refusal by the sentence of the server, and exits with 1', async ({ server }) => {
  const { folder, env } = uploadPlace()
  await writeFile(join(folder, 'program'), Buffer.from('7f454c460201010000000000000000000200', 'hex'))
  const { code, stdout, stderr } = await runCommand(
    ['upload', join(folder, 'program'), '--to', server.url],
    env,
  )
  assert.is(code, 1)
  assert.is(stdout, '')
  assert.match(stderr, /program is not uploaded: the server answered 415 type_refused: /)
})

test('waits as long as Retry-After asks when all slots are taken, and holds more files than there are slots', async ({
  server,
}) => {
  const { folder, env } = uploadPlace()
  await mkdir(join(folder, 'many'))
  for (let index = 0; index < 60; index += 1)
    await writeFile(join(folder, 'many', `${index}`), `file ${index}`)
  const { code, stdout, stderr } = await runCommand(
    ['upload', join(folder, 'many'), '--to', server.url, '--parallel', '20'],
    env,
  )
  assert.is(code, 0, stderr)
  assert.is(uploaded(stdout).size, 60)
})

/** A tus server that takes every upload in its creation's next PATCH and answers as `digest` says. */
async function withServer(
  digest: string | undefined,
  headers: IncomingMessage['headers'][],
  work: (url: string) => Promise<void>,
): Promise<void> {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    headers.push(request.headers)
    request.resume().on('end', () => {
      const given = digest === undefined ? {} : { 'Repr-Digest': digest }
      const more = { POST: { Location: '/files/1' }, PATCH: { 'Upload-Offset': '4', ...given } }
      const own = more[request.method === 'POST' ? 'POST' : 'PATCH']
      response.writeHead(request.method === 'POST' ? 201 : 200, { ...own, 'Upload-Length': '4' }).end()
    })
  }
  const server = createServer(answer).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  try {
    await work(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/files`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('exits with 1 where the digest of the server is another one, or is not said', async () => {
  const { folder, env } = uploadPlace()
  await writeFile(join(folder, 'file'), 'file')
  const other = `sha-256=:${createHash('sha256').update('else').digest('base64')}:`
  for (const [digest, sentence] of [
    [other, /the server has other bytes/],
    [undefined, /did not say which digest/],
  ] as const) {
    await withServer(digest, [], async (url) => {
      const { code, stdout, stderr } = await runCommand(['upload', join(folder, 'file'), '--to', url], env)
      assert.is(code, 1)
      assert.is(stdout, '')
      assert.match(stderr, sentence)
    })
  }
})

test('sends headers and the grant with every request; secrets come from files and the environment', async () => {
  const { folder, env } = uploadPlace()
  await writeFile(join(folder, 'file'), 'file')
  await writeFile(join(folder, 'headers'), 'X-One: 1\nX-Two: 2\n')
  const digest = `sha-256=:${createHash('sha256').update('file').digest('base64')}:`
  const seen: IncomingMessage['headers'][] = []
  await withServer(digest, seen, async (url) => {
    const args = [
      'upload',
      join(folder, 'file'),
      '--to',
      url,
      '-H',
      `@${join(folder, 'headers')}`,
      '-H',
      'X-Three: 3',
    ]
    const { code, stderr } = await runCommand(args, { ...env, LADING_GRANT: 'the.grant' })
    assert.is(code, 0, stderr)
  })
  assert.ok(seen.length >= 2)
  for (const headers of seen) {
    const own = [headers['x-one'], headers['x-two'], headers['x-three'], headers.authorization]
    assert.equal(own, ['1', '2', '3', 'Bearer the.grant'])
  }
})

test('a wrong argument is answered with one line and exit 2; help explains the command', async () => {
  const to = ['--to', 'http://127.0.0.1:1/files']
  const wrong = [
    ['upload'],
    ['upload', 'x'],
    ['upload', 'x', '--to', 'ftp://host/files'],
    ['upload', 'x', ...to, '--parallel', '0'],
    ['upload', 'x', ...to, '--parallel', 'many'],
    ['upload', 'x', ...to, '--header', 'nothing'],
    ['upload', 'x', ...to, '--header', 'Upload-Offset: 0'],
    ['upload', 'x', ...to, '--header', 'X: a\r\nY: b'],
    ['upload', 'x', ...to, '--header', '@/nowhere'],
    ['upload', 'x', ...to, '--grant', 'two words'],
    ['upload', 'x', ...to, '--grant', 'g', '--header', 'Authorization: Bearer t'],
    ['upload', 'x', ...to, '--nothing'],
    ['help', 'nothing'],
    ['help', 'upload', 'check'],
  ]
  for (const args of wrong) {
    const { code, stdout, stderr } = await runCommand(args)
    assert.equal([code, stdout], [2, ''], args.join(' '))
    assert.match(stderr, /^lading: [^\n]+\n$/, args.join(' '))
  }
  for (const args of [['help', 'upload'], ['upload', '--help'], ['help']]) {
    const { code, stdout } = await runCommand(args)
    assert.is(code, 0)
    assert.match(stdout, /lading upload FILE/)
  }
})

test.run()
