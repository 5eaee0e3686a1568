import { startServer, type TestServer } from '../helpers/server.js'

/** The server under a story, which may be killed on the way. */
export class ModelServer {
  #now: TestServer

  constructor(server: TestServer) {
    this.#now = server
  }

  /** The one that runs now. */
  get now(): TestServer {
    return this.#now
  }

  /** kill -9 and a restart on the same folder; `dead` is called between the two. */
  async restart(dead = (): void => {}): Promise<void> {
    await this.#now.stop('SIGKILL')
    dead()
    this.#now = await startServer([], this.#now.dataDir)
  }
}
