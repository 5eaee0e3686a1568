import * as v from 'valibot'
import { element } from './dom.js'
import { age, bytes } from './format.js'
import { storageOf } from './storage.js'

const MOST_NAMED = 5
/** tus-js-client keeps the address of each unfinished upload under such a name. */
const PREFIX = 'tus::'

const Kept = v.object({
  size: v.nullable(v.number()),
  creationTime: v.string(),
  uploadUrl: v.string(),
  metadata: v.object({ name: v.optional(v.string(), 'unnamed') }),
})

/** Forgets an upload that will not go on. */
export function forgetInterrupted(url: string | undefined): void {
  for (const { name, uploadUrl } of keptUploads())
    if (uploadUrl === url) storageOf('localStorage')?.removeItem(name)
}

/** Names the uploads of this browser that were interrupted, and says how they go on. Shows nothing where there are none. */
export function showInterrupted(panel: HTMLElement, endpoint: URL): void {
  const kept = keptUploads().filter(({ uploadUrl }) => uploadUrl.startsWith(endpoint.href))
  panel.hidden = kept.length === 0
  if (kept.length === 0) return
  const lines = kept.slice(0, MOST_NAMED).map(({ metadata, size, creationTime }) => {
    const when = age(new Date(creationTime).toISOString())
    return element(
      'li',
      {},
      element('strong', {}, element('bdi', {}, metadata.name)),
      ` (${bytes(size ?? 0)}, begun ${when})`,
    )
  })
  const rest = kept.length - lines.length
  const forget = (): void => {
    for (const { name } of kept) storageOf('localStorage')?.removeItem(name)
    panel.hidden = true
  }
  panel.replaceChildren(
    element(
      'p',
      {},
      'These uploads were interrupted. Drop the same files again, and they go on where they stopped:',
    ),
    element('ul', {}, ...lines, ...(rest > 0 ? [element('li', {}, `and ${rest} more`)] : [])),
    element('button', { type: 'button', class: 'quiet', click: forget }, 'Forget them'),
  )
}

function keptUploads(): (v.InferOutput<typeof Kept> & { readonly name: string })[] {
  const storage = storageOf('localStorage')
  return Object.keys(storage ?? {})
    .filter((name) => name.startsWith(PREFIX))
    .flatMap((name) => {
      const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), Kept), storage?.getItem(name))
      return parsed.success ? [{ name, ...parsed.output }] : []
    })
}
