import { type Client, OFFSET_TYPE, VERSION } from '../client.js'
import { expect, pause } from '../expect.js'

/** Time for what was sent to be read: a server that sees the end first may drop what it has not read. */
const ARRIVAL_MS = 300

/**
 * Compares an upload's bytes with `content`, and resolves with true. The specification does not ask for downloads:
 * where the answer to GET is not 200, or has another length, nothing is compared, and this resolves with false.
 */
export async function checkBytes(client: Client, url: URL, content: string): Promise<boolean> {
  const answer = await client.download(url)
  if (answer.status !== 200 || answer.body.length !== content.length) return false
  const same = answer.body.toString('latin1') === content
  expect(same, `the bytes ${excerpt(content)}`, `${answer} and ${excerpt(answer.body.toString('latin1'))}`)
  return true
}

/** Begins a PATCH at offset 0, sends a part of its body, and goes away. */
export async function cut(client: Client, url: URL, framing: readonly string[], body: string): Promise<void> {
  const connection = await client.connect(url)
  const lines = [VERSION, OFFSET_TYPE, 'Upload-Offset: 0', ...framing]
  await connection.write(client.written('PATCH', url, lines) + body)
  await pause(ARRIVAL_MS)
  connection.close()
}

function excerpt(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
