import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { DefaultHttpStack } from 'tus-js-client'
import { type Console, exitCodeOf } from '../console.js'
import { printable, shownBytes } from '../printable.js'
import { Progress } from '../progress.js'
import { uploadFile, uploadStream } from './file-upload.js'
import { STANDARD_INPUT, type UploadOptions, uploadOptions } from './options.js'
import { ResumeStore } from './resume-store.js'
import { reasonOf } from './retries.js'
import { InterruptedError, impatient } from './send.js'
import { type Found, filesOf } from './walk.js'

/**
 * `lading upload`: sends files and folders to a tus server. Resolves with the exit code: 0 where every file is on the
 * server, proven by its digest, 1 where one is not, 130 or 143 after a signal. Throws UsageError.
 */
export async function upload(args: readonly string[], console: Console): Promise<number> {
  const options = uploadOptions(args, console.env)
  const agentOptions = { keepAlive: true, maxSockets: options.parallel }
  const agent = options.endpoint.startsWith('https:')
    ? new HttpsAgent(agentOptions)
    : new HttpAgent(agentOptions)
  const store = ResumeStore.open(storePath(console.env), (error) => {
    const why = error instanceof Error ? error.message : String(error)
    console.stderr.write(`lading: uploads cannot be resumed by a later run: ${printable(why)}\n`)
  })
  try {
    const stack = impatient(new DefaultHttpStack({ agent }))
    return await new Uploading(options, { ...options, stack, store, signal: console.signal }, console).run()
  } finally {
    store.close()
    agent.destroy()
  }
}

/** The state folder of the user, by the XDG Base Directory Specification. */
function storePath(env: Console['env']): string {
  const state = env.XDG_STATE_HOME ?? ''
  return join(isAbsolute(state) ? state : join(homedir(), '.local', 'state'), 'lading', 'uploads.db')
}

/** One run of the command. */
class Uploading {
  readonly #options: UploadOptions
  readonly #tools: Parameters<typeof uploadFile>[1]
  readonly #console: Console
  /** Bytes of each file that is under way. */
  readonly #underWay = new Map<Found, number>()
  #progress: Progress | undefined
  #total = { files: 0, bytes: 0 }
  #done = { files: 0, bytes: 0 }
  #failed = 0

  constructor(options: UploadOptions, tools: Parameters<typeof uploadFile>[1], console: Console) {
    this.#options = options
    this.#tools = tools
    this.#console = console
  }

  async run(): Promise<number> {
    const { signal } = this.#console
    this.#progress = new Progress(this.#console, () => this.#standing())
    try {
      await this.#count()
      const found = filesOf(this.#options.paths)
      const workers = Array.from({ length: this.#options.parallel }, () => this.#work(found))
      await Promise.all(workers)
    } finally {
      this.#progress.end()
    }
    return signal.aborted ? this.#interrupted() : this.#ended()
  }

  /** How much there is; a file that comes or grows later is sent too. */
  async #count(): Promise<void> {
    for await (const found of filesOf(this.#options.paths)) {
      if (this.#console.signal.aborted) return
      const bytes = found.kind === 'file' ? found.size : 0
      if (found.kind === 'file' || found.kind === 'input')
        this.#total = { files: this.#total.files + 1, bytes: this.#total.bytes + bytes }
    }
  }

  /** Takes one after another of what the walk finds; several of these share one walk. */
  async #work(found: AsyncIterator<Found>): Promise<void> {
    while (!this.#console.signal.aborted) {
      const next = await found.next()
      if (next.done) return
      await this.#one(next.value)
    }
    await found.return?.()
  }

  async #one(found: Found): Promise<void> {
    const shown = printable(found.name)
    if (found.kind === 'skipped') return this.#progress?.complain(`lading: ${shown} is skipped: ${found.why}`)
    if (found.kind === 'fault') return this.#fail(shown, found.why)
    this.#underWay.set(found, 0)
    try {
      const sent = (bytes: number): void => void this.#underWay.set(found, bytes)
      const { url, sha256 } = await (found.kind === 'file'
        ? uploadFile(found, this.#tools, sent)
        : uploadStream({ input: this.#console.stdin(), name: this.#options.name }, this.#tools, sent))
      const bytes = found.kind === 'file' ? found.size : (this.#underWay.get(found) ?? 0)
      this.#done = { files: this.#done.files + 1, bytes: this.#done.bytes + bytes }
      this.#progress?.line(`${shown} → ${url} sha256:${sha256}`)
    } catch (error) {
      if (!(error instanceof InterruptedError)) this.#fail(shown, error)
    } finally {
      this.#underWay.delete(found)
    }
  }

  #fail(shown: string, error: unknown): void {
    this.#failed += 1
    this.#progress?.complain(`lading: ${shown} is not uploaded: ${printable(reasonOf(error))}`)
  }

  #standing() {
    let doneBytes = this.#done.bytes
    for (const bytes of this.#underWay.values()) doneBytes += bytes
    // Nobody knows how much standard input will bring.
    const isOpen = [...this.#underWay.keys()].some(({ kind }) => kind === 'input')
    const totalBytes = isOpen ? null : Math.max(this.#total.bytes, doneBytes)
    return { doneBytes, totalBytes, count: `${this.#done.files} of ${this.#total.files} files` }
  }

  #interrupted(): number {
    const { signal, stderr } = this.#console
    const { doneBytes, count } = this.#standing()
    const goOn = this.#advice('to go on from there')
    stderr.write(`lading: interrupted after ${count}, ${shownBytes(doneBytes)}${goOn}\n`)
    return exitCodeOf(signal)
  }

  /** How to go on; nothing for standard input alone, which cannot be read again. */
  #advice(aim: string): string {
    const isInput = this.#options.paths.every((path) => path === STANDARD_INPUT)
    return isInput ? '' : `; give the same command again ${aim}`
  }

  #ended(): number {
    const { stderr } = this.#console
    if (this.#failed > 0) {
      const sendRest = this.#advice('to send what is missing')
      stderr.write(`lading: ${this.#failed} not uploaded, ${this.#done.files} uploaded${sendRest}\n`)
      return 1
    }
    // The next run with the same files is meant to send them again.
    this.#tools.store.forgetRun()
    const { files, bytes } = this.#done
    stderr.write(`${files} ${files === 1 ? 'file' : 'files'} uploaded, ${shownBytes(bytes)}\n`)
    return 0
  }
}
