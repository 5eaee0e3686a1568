import { filesIn, unharmed } from '../helpers/health.js'
import { startServer, type TestServer } from '../helpers/server.js'
import { inFolder, type Stored } from '../helpers/stored.js'

/** A server, and what it has stored. */
export type ModelPlace = TestServer & {
  readonly stored: Stored
  /** What one node did another one may show a moment later. */
  readonly recordsLag: boolean
  /** Resolves when an upload receives a request: a later one to another node cannot overtake it then. */
  underWay(path: string): Promise<void>
}

/** The server under a story, which may be killed on the way. */
export interface ModelServer {
  /** The one that runs now. */
  readonly now: ModelPlace
  /** kill -9 of what got the last request, and a restart over the same uploads; `dead` is called between the two. */
  restart(dead?: () => Promise<void>): Promise<void>
  /** Fails unless it lives, is idle, and has stored nothing. */
  unharmed(): Promise<void>
  end(): Promise<void>
}

/** A server on a folder. */
export class FolderServer implements ModelServer {
  #now: ModelPlace

  private constructor(server: TestServer) {
    this.#now = withStored(server)
  }

  static async start(): Promise<FolderServer> {
    return new FolderServer(await startServer())
  }

  get now(): ModelPlace {
    return this.#now
  }

  async restart(dead = async (): Promise<void> => {}): Promise<void> {
    await this.#now.stop('SIGKILL')
    await dead()
    this.#now = withStored(await startServer([], this.#now.dataDir))
  }

  async unharmed(): Promise<void> {
    await unharmed(this.#now)
    const files = filesIn(this.#now)
    if (files.length > 0) throw new Error(`there are files left: ${files.join(', ')}`)
  }

  async end(): Promise<void> {
    await this.#now.stop('SIGKILL')
  }
}

function withStored(server: TestServer): ModelPlace {
  return { ...server, stored: inFolder(server), recordsLag: false, underWay: async () => {} }
}
