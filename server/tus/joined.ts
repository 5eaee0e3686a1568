import { setTimeout } from 'node:timers/promises'
import { UploadError } from '../errors.js'
import type { UploadView } from '../model/upload-view.js'

/** How long the answer to a final upload waits for its joining: proxies give up after a minute. */
const JOINED_WITHIN_MS = 20_000

/** Waits until a final upload is joined, for so long as a client will. Rejects with why it is refused. */
export async function joined(upload: UploadView, closing: AbortSignal): Promise<void> {
  const over = new AbortController()
  const signal = AbortSignal.any([over.signal, closing])
  const late = setTimeout(JOINED_WITHIN_MS, undefined, { signal }).catch(() => {})
  await Promise.race([upload.joining, late]).finally(() => over.abort())
  if (upload.gone) throw new UploadError('upload_unknown')
}
