import { UploadError } from '../errors.js'
import type { UploadView } from '../model/upload-view.js'

/** How long the answer to a final upload waits for its join: proxies give up after a minute. */
const JOINED_WITHIN_MS = 20_000

/**
 * Waits until a final upload is joined, at most 20 s and not while the server closes. Rejects with why the final
 * upload is refused, and with upload_unknown where it was removed meanwhile.
 */
export async function waitForJoin(upload: UploadView, closing: AbortSignal): Promise<void> {
  let stop = (): void => {}
  const late = new Promise<void>((resolve) => {
    const over = (): void => resolve()
    const timer = setTimeout(over, JOINED_WITHIN_MS)
    // Not AbortSignal.any: `closing` lives as long as the process, and would keep every signal made from it.
    closing.addEventListener('abort', over)
    stop = () => {
      clearTimeout(timer)
      closing.removeEventListener('abort', over)
    }
    if (closing.aborted) over()
  })
  await Promise.race([upload.joining, late]).finally(stop)
  if (upload.gone) throw new UploadError('upload_unknown')
}
