import { type HookReply, Receiver, type TusdHook } from './receiver.js'
import { idOf, locationOf, send, type TestAnswer, type TestServer, tus } from './server.js'
import { startServer } from './servers.js'

/** A receiver, and a server that asks it for every event that decides. */
export class HooksPlace {
  readonly receiver: Receiver
  readonly server: TestServer

  private constructor(receiver: Receiver, server: TestServer) {
    this.receiver = receiver
    this.server = server
  }

  static async start(): Promise<HooksPlace> {
    const receiver = await Receiver.start()
    const deciding = 'pre-access,pre-create,pre-accept,pre-finish,pre-terminate'
    return new HooksPlace(receiver, await startServer(flagsFor(receiver, deciding)))
  }

  /** Another server that asks the receiver for these events. */
  serverWith(events: string, flags: readonly string[] = []): Promise<TestServer> {
    return startServer([...flagsFor(this.receiver, events), ...flags])
  }

  /** What the receiver answers to one event; it accepts others. */
  answerTo(type: string, reply: HookReply): void {
    this.receiver.reply = (hook) => (hook.type === type ? reply : {})
  }

  /** Creates an upload of five bytes. */
  create(headers: Record<string, string> = {}, on = this.server): Promise<TestAnswer> {
    return tus.create(on, 5, headers)
  }

  async upload(on = this.server): Promise<string> {
    return locationOf(await this.create({}, on))
  }

  /** The state in the record of an upload. */
  async stateOf(location: string): Promise<string> {
    const { text } = await send(this.server.origin, { method: 'GET', path: `/api/uploads/${idOf(location)}` })
    return JSON.parse(text).state
  }

  /** The last hook of an event. */
  lastOf(type: string): TusdHook {
    const hook = this.receiver.of(type).at(-1)
    if (!hook) throw new Error(`no ${type} came`)
    return hook.json
  }
}

/** Flags for a server that asks a receiver once for each of these events. */
export function flagsFor({ url }: Receiver, events: string): string[] {
  return ['--hooks-http', url, '--hooks-enabled-events', events, '--hooks-http-retry', '0']
}
