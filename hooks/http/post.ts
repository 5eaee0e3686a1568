/** What a receiver answered. */
export interface Reply {
  readonly status: number
  readonly contentType: string
  /** Milliseconds of Retry-After; null where there is none. */
  readonly retryAfterMs: number | null
  /** Null where the body is longer than the limit. */
  readonly text: string | null
}

export interface PostOptions {
  readonly headers: Record<string, string>
  readonly mostBytes: number
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  readonly nowMs: number
}

/** Sends one POST and reads the answer within a limit; a redirect is an answer and is not followed. Rejects as fetch does. */
export async function post(url: string, body: string, options: PostOptions): Promise<Reply> {
  const { headers, mostBytes, signal, nowMs } = options
  const response = await fetch(url, { method: 'POST', redirect: 'manual', headers, body, signal })
  return {
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    retryAfterMs: delayOf(response.headers.get('retry-after'), nowMs),
    text: await textOf(response, mostBytes),
  }
}

async function textOf(response: Response, mostBytes: number): Promise<string | null> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop early ends the connection.
  for await (const piece of response.body ?? []) {
    bytes += piece.length
    if (bytes > mostBytes) return null
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

/** Retry-After in both forms it has: seconds, or a date (RFC 9110, section 10.2.3). */
function delayOf(header: string | null, nowMs: number): number | null {
  if (header === null) return null
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000
  const atMs = Date.parse(header)
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs)
}
