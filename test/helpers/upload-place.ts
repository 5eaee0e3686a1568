import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { temporaryFolder } from './server.js'

const LINE = /^(.+) → (http\S+) sha256:([0-9a-f]{64})$/

/** A folder for files, and the environment of a user whose state is nowhere else. */
export function uploadPlace() {
  const folder = temporaryFolder()
  return { folder, env: { XDG_STATE_HOME: join(folder, 'state') } }
}

/** What the lines of results say, by name. */
export function uploaded(stdout: string): Map<string, { url: string; sha256: string }> {
  const lines = stdout.split('\n').filter((line) => line !== '')
  return new Map(
    lines.map((line) => {
      const [, name = '', url = '', sha256 = ''] = LINE.exec(line) ?? []
      assert.ok(name, line)
      return [name, { url, sha256 }]
    }),
  )
}

/** Lower-case hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Makes a file of random bytes. */
export async function fileOf(path: string, bytes: number): Promise<Buffer> {
  const content = randomBytes(bytes)
  content.fill(0, 0, Math.min(bytes, 16))
  await writeFile(path, content)
  return content
}

/** What a URL has. */
export async function downloaded(url: string): Promise<Buffer> {
  return Buffer.from(await (await fetch(url)).arrayBuffer())
}
