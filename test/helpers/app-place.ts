import { join } from 'node:path'
import { createApp } from '../../server/app.js'
import type { Config } from '../../server/config.js'
import { temporaryFolder } from './server.js'

/** A Lading in the process of the test, which starts faster than one of its own. */
export interface TestApp {
  /** Scheme, host and port. */
  readonly origin: string
  readonly port: number
  readonly dataDir: string
  close(): Promise<void>
}

const ROOT = temporaryFolder()
let started = 0

/** Starts a server on a free port, with a data folder of its own unless one is given. */
export async function startApp(settings: Partial<Config> = {}): Promise<TestApp> {
  const dataDir = settings.dataDir ?? join(ROOT, `data-${started++}`)
  const own = { host: '127.0.0.1', port: 0, minFreeBytes: 0, logLevel: 'silent' } as const
  const app = await createApp({ ...own, ...settings, dataDir })
  const { url, port } = await app.listen()
  return { origin: new URL(url).origin, port, dataDir, close: () => app.close() }
}

/** Starts a server, runs `work` with it, and closes it. */
export async function withApp<T>(settings: Partial<Config>, work: (app: TestApp) => Promise<T>): Promise<T> {
  const app = await startApp(settings)
  try {
    return await work(app)
  } finally {
    await app.close()
  }
}
