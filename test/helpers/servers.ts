import { startServer as start, type TestServer } from './server.js'

const started: TestServer[] = []
// Each server has its listener; a file of tests has some tens of them.
process.setMaxListeners(100)

/** `startServer`, kept in mind for `killServers`. */
export async function startServer(...options: Parameters<typeof start>): Promise<TestServer> {
  const server = await start(...options)
  started.push(server)
  return server
}

/** Kills what still runs, for `test.after`: a failed test's server would keep the file from ending. */
export async function killServers(): Promise<void> {
  await Promise.all(started.splice(0).map((server) => server.stop('SIGKILL')))
}
