import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'

/** What the worker says while it reads a file, and when it has. */
export type DigestMessage =
  | { readonly bytes: number }
  | { readonly sha256: string }
  | { readonly error: string }

const SAID_EVERY_BYTES = 8 * 1024 * 1024

// The browser's own digest takes a whole file at once, and is not there without https; this one takes any size.
addEventListener('message', ({ data }: MessageEvent<Blob>) => {
  digestOf(data).then(
    (hex) => say({ sha256: hex }),
    (error: unknown) => say({ error: String(error) }),
  )
})

async function digestOf(file: Blob): Promise<string> {
  const hash = sha256.create()
  const reader = file.stream().getReader()
  let bytes = 0
  let saidBytes = 0
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return bytesToHex(hash.digest())
    hash.update(value)
    bytes += value.length
    if (bytes - saidBytes < SAID_EVERY_BYTES) continue
    saidBytes = bytes
    say({ bytes })
  }
}

function say(message: DigestMessage): void {
  postMessage(message)
}
