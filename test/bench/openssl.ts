import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'

/** The version of the installed openssl; undefined if there is none. */
export function opensslVersion(): string | undefined {
  const asked = spawnSync('openssl', ['version'], { encoding: 'utf8' })
  return asked.status === 0 ? asked.stdout.split(' ').slice(0, 2).join(' ') : undefined
}

/** Runs `openssl dgst -sha256` over a file and resolves when its digest is known. Rejects if there is none. */
export async function opensslDigest(path: string): Promise<void> {
  const child = spawn('openssl', ['dgst', '-sha256', path], { stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  await once(child, 'close')
  if (!/= [0-9a-f]{64}\n$/.test(out)) throw new Error(`openssl gave no digest of ${path}: ${out}`)
}
