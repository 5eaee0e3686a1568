import { startServer, type TestServer } from './server.js'

/** What uvu's `test` and its suites have. */
interface Hooks {
  before(hook: () => Promise<void>): void
  after(hook: () => Promise<void>): void
}

/** One server for all tests of a file: started before the first, stopped behind the last. */
export function serverFor(test: Hooks, flags: readonly string[] = []): TestServer {
  let started: TestServer | undefined
  const server = (): TestServer => {
    if (!started) throw new Error('the server is not started before the first test')
    return started
  }
  test.before(async () => {
    started = await startServer(flags)
  })
  test.after(async () => void (await started?.stop()))
  return {
    get url() {
      return server().url
    },
    get origin() {
      return server().origin
    },
    get port() {
      return server().port
    },
    get pid() {
      return server().pid
    },
    get dataDir() {
      return server().dataDir
    },
    get process() {
      return server().process
    },
    log: () => server().log(),
    stop: (signal) => server().stop(signal),
  }
}
