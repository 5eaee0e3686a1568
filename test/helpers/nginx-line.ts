import { type Edit, type Nginx, PLAIN, startNginx, through } from './nginx.js'
import { startServer, type TestServer } from './server.js'

/** A server, and nginx in front of it. */
export interface Line {
  readonly server: TestServer
  readonly nginx: Nginx
  /** The server as clients see it, over plain HTTP. */
  readonly front: TestServer
}

const started: { stop(): Promise<unknown> }[] = []
process.setMaxListeners(100)

/** `resource`, kept in mind for `stopAll`. */
export function kept<T extends { stop(): Promise<unknown> }>(resource: T): T {
  started.push(resource)
  return resource
}

/** Starts Lading with `flags` and nginx with the documented configuration, without TLS and with `edits`. */
export async function lineBehindNginx(flags: readonly string[], edits: readonly Edit[] = []): Promise<Line> {
  const server = kept(await startServer(['--behind-proxy', ...flags]))
  const nginx = kept(await startNginx(server, [...PLAIN, ...edits]))
  return { server, nginx, front: through(server, nginx) }
}

/** Stops what still runs, for `test.after.each`. */
export async function stopAll(): Promise<void> {
  // A server takes SIGTERM for what it is; a failed test may have left requests that would make it wait.
  await Promise.all(started.splice(0).map((each) => each.stop()))
}
