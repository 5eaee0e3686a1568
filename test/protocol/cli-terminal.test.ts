import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { eventually, temporaryFolder } from '../helpers/server.js'
import { bounded, needsProgram } from '../helpers/test.js'

const test = suite('commands in a terminal')

const MAIN = new URL('../../server/main.js', import.meta.url).pathname
const WITHIN_MS = 60_000
const [HIDE, SHOW] = ['\x1b[?25l', '\x1b[?25h']

/** A file that is never closed, as on a disk that hangs: the first Ctrl-C then ends nothing. */
const HANGS = `
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
const { open } = fs.promises
fs.promises.open = async (...args) => Object.assign(await open(...args), { close: () => new Promise(() => {}) })
syncBuiltinESMExports()
`

needsProgram(test, 'script')(
  'a second Ctrl-C ends a command that hangs, and the cursor is seen again',
  async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const folder = temporaryFolder()
    const [file, preload] = [join(folder, 'file.bin'), join(folder, 'hangs.mjs')]
    writeFileSync(file, 'content')
    writeFileSync(preload, HANGS)
    const command = `${process.execPath} --import ${preload} ${MAIN} upload ${file} --to http://127.0.0.1:${port}/files`
    const terminal = spawn('script', ['-qec', command, '/dev/null'], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, XDG_STATE_HOME: folder, TERM: 'xterm' },
    })
    let seen = ''
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
      seen += text
    })
    const exited = once(terminal, 'exit')
    await eventually(WITHIN_MS, 'the bar', async () => seen.includes(HIDE) || undefined)
    // The first one may come while nothing is open yet: some more are sent.
    const timer = setInterval(() => terminal.stdin.write('\x03'), 200)
    const [code] = await bounded(WITHIN_MS, exited, 'the end').finally(() => clearInterval(timer))
    server.close()
    assert.is(code, 130)
    assert.ok(seen.lastIndexOf(SHOW) > seen.lastIndexOf(HIDE), JSON.stringify(seen.slice(-300)))
  },
)

test.run()
