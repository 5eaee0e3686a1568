import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { shippedNodeFlags } from '../helpers/shipped.js'

const START_WITHIN_MS = 30_000
const STOP_WITHIN_MS = 15_000

/** A server that the suite started, with its data in a temporary folder. */
export interface OwnServer {
  readonly url: URL
  /** Ends it, and removes its data. */
  stop(): Promise<void>
}

/** Starts Lading as built, or @tus/server with its FileStore; ended with this process at the latest. */
export async function startOwn(name: 'lading' | 'stock'): Promise<OwnServer> {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'))
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('LADING_')))
  const child = spawn(process.execPath, argumentsOf(name, folder), { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const atExit = (): void => {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.on('exit', atExit)
  const url = new URL(await addressOf(child))
  return {
    url,
    stop: async () => {
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
      child.kill('SIGTERM')
      await exited.finally(() => clearTimeout(timer))
      process.off('exit', atExit)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function argumentsOf(name: 'lading' | 'stock', folder: string): string[] {
  const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
  if (name === 'stock') return [path('../bench/stock-server.js'), folder]
  const flags = ['--port', '0', '--data-dir', join(folder, 'data'), '--min-free', '0', '--log-format', 'json']
  return [...shippedNodeFlags(), path('../../server/main.js'), ...flags]
}

/** The first address that it prints. Rejects when it ends before, or says nothing. */
function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let [out, log] = ['', '']
    const timer = setTimeout(
      () => reject(new Error(`the server printed no address: ${log}`)),
      START_WITHIN_MS,
    )
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-4_000)
    })
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out = (out + text).slice(-4_000)
      const found = /http:\/\/\S+/.exec(out)
      if (found === null) return
      clearTimeout(timer)
      resolve(found[0])
    })
    child.once('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`the server ended with ${code}: ${log}`))
    })
  })
}
