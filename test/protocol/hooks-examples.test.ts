import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { freePort } from '../helpers/free-port.js'
import { eventually, idOf, locationOf, send, temporaryFolder, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { as, SECRET_FLAGS } from '../helpers/tokens.js'
import { base64 } from '../helpers/wire.js'

const test = suite('the examples of hooks/README.md')

const WITHIN_MS = 60_000
const SECRET = `whsec_${Buffer.alloc(24, 'a').toString('base64')}`
const OTHER_SECRET = `whsec_${Buffer.alloc(24, 'b').toString('base64')}`
const children: ChildProcess[] = []

test.after(async () => {
  for (const child of children) child.kill('SIGKILL')
  await killServers()
})

/** Writes an example of the README into a folder in which the package `lading` is installed. */
function example(name: string): string {
  const readme = readFileSync('hooks/README.md', 'utf8')
  const code = readme.split(`<!-- ${name} -->\n\`\`\`js\n`)[1]?.split('\n```\n<!--')[0]
  if (code === undefined) throw new Error(`hooks/README.md has no example ${name}`)
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(process.cwd(), join(folder, 'node_modules/lading'))
  symlinkSync(resolve('node_modules/standardwebhooks'), join(folder, 'node_modules/standardwebhooks'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, name), `${code}\n`)
  return join(folder, name)
}

/** Starts the receiver of the README; what it printed so far. */
async function startReceiver(): Promise<{ url: string; printed: () => string }> {
  const port = await freePort()
  const child = spawn(process.execPath, [example('receiver.js')], {
    env: { ...process.env, PORT: String(port), WEBHOOK_SECRET: SECRET },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  const origin = `http://127.0.0.1:${port}`
  await eventually(WITHIN_MS, 'the receiver', async () => {
    return (
      (await send(origin, { method: 'POST', path: '/' }).catch(() => undefined))?.status === 401 || undefined
    )
  })
  return { url: `${origin}/hooks`, printed: () => printed }
}

test('rules.js refuses files over 100 MB from one owner, and moves metadata', async () => {
  const server = await startServer(['--hooks', example('rules.js'), ...SECRET_FLAGS])
  const [guest, ann] = [await as('guest'), await as('ann')]
  const refused = await tus.create(server, 100_000_001, guest)
  assert.equal([refused.status, refused.text], [413, 'Guests may upload at most 100 MB\n'])
  assert.is((await tus.create(server, 100_000_000, guest)).status, 201)
  const metadata = `filename ${base64('a.txt')},project ${base64('p1')}`
  const location = locationOf(await tus.create(server, 100_000_001, { ...ann, 'Upload-Metadata': metadata }))
  const headers = { 'Tus-Resumable': '1.0.0', ...ann }
  const head = await send(server.origin, { method: 'HEAD', path: location, headers })
  assert.is(head.headers['upload-metadata'], `filename ${base64('a.txt')},folder ${base64('p1')}`)
  const small = locationOf(await tus.create(server, 5, { ...ann, 'Upload-Metadata': metadata }))
  assert.is((await tus.patch(server, small, 0, 'hello', ann)).status, 204)
  await eventually(WITHIN_MS, 'postFinish', async () => {
    return server.log().includes('a.txt is complete: 2cf24dba5fb0a30e') || undefined
  })
})

test('receiver.js verifies signatures with standardwebhooks, also while the secret is changed', async () => {
  const { url, printed } = await startReceiver()
  const flags = ['--hooks-http', url, '--hooks-http-secret']
  const server = await startServer([...flags, `${OTHER_SECRET} ${SECRET}`])
  const location = locationOf(await tus.create(server, 5))
  assert.is((await tus.patch(server, location, 0, 'hello')).status, 204)
  await eventually(WITHIN_MS, 'post-finish', async () => printed().includes(idOf(location)) || undefined)
  assert.is((await tus.create(server, 100_000_001)).status, 413)
  const other = await startServer([...flags, OTHER_SECRET])
  const unsigned = await startServer(['--hooks-http', url])
  for (const wrong of [other, unsigned]) assert.is((await tus.create(wrong, 5)).status, 401)
})

test.run()
