import { get as getOverHttp } from 'node:http'
import { get as getOverHttps } from 'node:https'

export interface FetchLimits {
  /** For the whole answer, in milliseconds. */
  readonly timeoutMs: number
  readonly mostBytes: number
}

/**
 * Gets a JSON document by HTTP. Follows no redirect: it could lead to an address inside our network. Rejects where the
 * status is not 200, and where the answer is late, too long or no JSON.
 */
export function fetchJson(url: string, { timeoutMs, mostBytes }: FetchLimits): Promise<unknown> {
  const get = url.startsWith('https:') ? getOverHttps : getOverHttp
  return new Promise((resolve, reject) => {
    const headers = { Accept: 'application/json' }
    const request = get(url, { headers, agent: false }, (response) => {
      const pieces: Buffer[] = []
      let bytes = 0
      response.on('data', (piece: Buffer) => {
        bytes += piece.length
        if (bytes > mostBytes) request.destroy(new Error(`the answer is longer than ${mostBytes} bytes`))
        else pieces.push(piece)
      })
      response.on('error', reject)
      response.on('end', () => {
        try {
          resolve(JSON.parse(Buffer.concat(pieces).toString()))
        } catch (error) {
          reject(error)
        }
      })
      if (response.statusCode !== 200) request.destroy(new Error(`the status is ${response.statusCode}`))
    })
    const late = setTimeout(
      () => request.destroy(new Error(`no complete answer within ${timeoutMs} ms`)),
      timeoutMs,
    )
    request.on('error', reject).on('close', () => clearTimeout(late))
  })
}
