import { fileURLToPath } from 'node:url'
import { type Ending, FAREWELL_MS, plain, TestProcess, within } from './test-process.js'

const MAIN = fileURLToPath(new URL('shared-main.js', import.meta.url))

/** What shared-main.ts writes to both its outputs after a file. It is one byte, so no chunk cuts it. */
export const END_OF_FILE = '\x04'

/** What is sent to shared-main.ts after the last file's path. */
export const NO_MORE_FILES = ''

/** What shared-main.ts sends when nothing of a file keeps it alive any more. */
export interface FileOver {
  readonly exit: number
  /** What the file changed in the process and did not change back. */
  readonly changes: readonly string[]
}

/**
 * A process that runs one test file after the other. Node's start and the loading of modules are most of a small file's
 * time, and here they are paid once.
 */
export class SharedProcess extends TestProcess {
  constructor() {
    super(MAIN, ['ipc'])
  }

  /** Runs the file at `path`. After a file that failed in any way this process should be ended and another one begun. */
  async run(path: string, limitMs: number): Promise<Ending> {
    this.clear()
    const over = new Promise<FileOver>((resolve) => this.child.once('message', resolve))
    // When it cannot be sent, the process is over, and says so itself.
    this.child.send(path, () => undefined)
    const first = await within(limitMs, Promise.race([over, this.exited]))
    if (typeof first !== 'object') {
      this.child.removeAllListeners('message')
      return { ...(await this.end(0)), exit: first }
    }
    await this.#wholeOutput()
    const problems = first.changes.map((change) => `did not change back: ${change}`)
    const left = await this.leftBehind(this.child.pid)
    return { exit: first.exit, output: this.#fileOutput(), problems: [...problems, ...left] }
  }

  /** Tells the process that there is no other file. It closes the channel: Node reports no "close" where we do. */
  release(): void {
    this.child.send(NO_MORE_FILES, () => undefined)
  }

  /** The message and the outputs travel apart: the last of the outputs may come after the message. */
  async #wholeOutput(): Promise<void> {
    const end = Date.now() + FAREWELL_MS
    while (this.output.split(END_OF_FILE).length <= 2 && Date.now() < end)
      await new Promise((resolve) => setTimeout(resolve, 1))
  }

  #fileOutput(): string {
    return plain(this.output.replaceAll(END_OF_FILE, ''))
  }
}
