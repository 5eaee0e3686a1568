import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Success } from './js-client.js'
import { bounded } from './test.js'

const MAIN = new URL('./js-upload.js', import.meta.url).pathname
const END_WITHIN_MS = 60_000

/** tus-js-client in a process of its own. */
export interface ClientProcess {
  /** Kills it by SIGKILL and resolves when it is gone. */
  kill(): Promise<void>
  /** Resolves with what it told at the end of its upload; rejects where it ended in another way. */
  success(): Promise<Success>
}

/** Starts a client that uploads `file` to `url` and keeps the upload's URL in `storage`. */
export function startClient(url: string, file: string, storage: string): ClientProcess {
  const child = spawn(process.execPath, [MAIN, url, file, storage], { stdio: ['ignore', 'pipe', 'pipe'] })
  const kill = (): void => void child.kill('SIGKILL')
  process.on('exit', kill)
  let [out, log] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const closed = bounded(END_WITHIN_MS, once(child, 'close'), 'the end of the client').finally(() => {
    kill()
    process.off('exit', kill)
  })
  closed.catch(() => {})
  return {
    kill: async () => {
      kill()
      await closed
    },
    success: async () => {
      await closed
      if (child.exitCode !== 0) throw new Error(`the client ended with ${child.exitCode}: ${log}`)
      return JSON.parse(out)
    },
  }
}
