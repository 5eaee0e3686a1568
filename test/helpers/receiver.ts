import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'

/** A hook as the receiver got it. */
export interface ReceivedHook {
  readonly type: string
  /** The request's JSON, and the same as it was sent. */
  readonly json: TusdHook
  readonly text: string
  readonly headers: IncomingHttpHeaders
}

/** What tests read of tusd's JSON. */
export interface TusdHook {
  readonly Type: string
  readonly Event: {
    readonly Upload: {
      readonly ID: string
      readonly Size: number
      readonly SizeIsDeferred: boolean
      readonly Offset: number
      readonly MetaData: Readonly<Record<string, string>>
      readonly IsPartial: boolean
      readonly IsFinal: boolean
      readonly PartialUploads: readonly string[] | null
      readonly Storage: { readonly Type: string; readonly Path: string; readonly InfoPath: string } | null
    }
    readonly HTTPRequest: {
      readonly Method: string
      readonly URI: string
      readonly RemoteAddr: string
      readonly Header: Readonly<Record<string, readonly string[]>>
    }
  }
  readonly Lading: { readonly SHA256: string | null; readonly FirstBytes?: string }
}

/** What a receiver answers: JSON with 200, or anything else. `hang`: nothing at all. */
export interface HookReply {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: object
  readonly text?: string
  readonly hang?: boolean
}

/** A receiver of hooks in this process. */
export class Receiver {
  readonly hooks: ReceivedHook[] = []
  /** What it answers from now on. */
  reply: (hook: ReceivedHook) => HookReply = () => ({})
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(): Promise<Receiver> {
    const server = createServer()
    const receiver = new Receiver(server)
    server.on('request', (request, response) => {
      const pieces: Buffer[] = []
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => {
        const text = Buffer.concat(pieces).toString('utf8')
        const json: TusdHook = JSON.parse(text)
        const hook = { type: json.Type, json, text, headers: request.headers }
        receiver.hooks.push(hook)
        const { status = 200, headers = {}, json: said = {}, text: body, hang } = receiver.reply(hook)
        if (hang) return
        response.writeHead(status, { 'Content-Type': 'application/json', ...headers })
        response.end(body ?? JSON.stringify(said))
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return receiver
  }

  /** The address for `--hooks-http`. */
  get url(): string {
    const address = this.#server.address()
    return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/hooks`
  }

  /** The hooks of an event that came so far. */
  of(type: string): readonly ReceivedHook[] {
    return this.hooks.filter((hook) => hook.type === type)
  }

  /** Forgets what came, and accepts everything again. */
  clear(): void {
    this.hooks.length = 0
    this.reply = () => ({})
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}
