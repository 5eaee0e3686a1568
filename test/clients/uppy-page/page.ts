import Uppy from '@uppy/core'
import '@uppy/core/css/style.min.css'
import Dashboard from '@uppy/dashboard'
import '@uppy/dashboard/css/style.min.css'
import Tus from '@uppy/tus'
import type { Asked, Drive, Failure, FileSpec, PageSettings, Progress } from './drive.js'

/** Named again and again by the files, and kept once: sixty files of 20 MB weigh nothing. */
const BLOCK = new Blob([new Uint8Array(2 ** 20).map((_, index) => (index * 31 + (index >> 8)) % 251)])
/** Without it Uppy takes a file that is made again for another one, and does not resume. */
const LAST_MODIFIED = 1_700_000_000_000

const settings: PageSettings = JSON.parse(new URL(location.href).searchParams.get('settings') ?? '{}')
const progress: Progress[] = []
const percentages: number[] = []
const asked: Asked[] = []
const succeeded: { file: string; url: string }[] = []
const failed: Failure[] = []
const sent = new Map<string, number>()

const pending = new WeakMap<object, Asked>()

const uppy = new Uppy()
  .use(Dashboard, { inline: true, target: '#dashboard', width: 900, height: 500 })
  .use(Tus, {
    ...settings.tus,
    endpoint: settings.endpoint,
    onBeforeRequest: (request, file) => {
      const offset = request.getHeader('Upload-Offset')
      const entry = {
        file: file.name ?? '',
        method: request.getMethod(),
        url: request.getURL(),
        offset: offset === undefined ? null : Number(offset),
        status: 0,
        sentAtAnswer: 0,
      }
      pending.set(request, entry)
      asked.push(entry)
    },
    onAfterResponse: (request, response) => {
      const entry = pending.get(request)
      if (!entry) return
      entry.status = response.getStatus()
      entry.sentAtAnswer = sent.get(entry.file) ?? 0
    },
  })

uppy.on('upload-progress', (file, { bytesUploaded }) => {
  const name = file?.name ?? ''
  const bytes = Number(bytesUploaded)
  sent.set(name, bytes)
  progress.push({ file: name, bytes })
})
uppy.on('progress', (percentage) => percentages.push(percentage))
uppy.on('upload-success', (file, response) => {
  succeeded.push({ file: file?.name ?? '', url: response.uploadURL ?? '' })
})
uppy.on('upload-error', (file, error) => {
  const response = 'originalResponse' in error ? error.originalResponse : null
  const known = isResponse(response) ? response : null
  failed.push({
    file: file?.name ?? '',
    message: error.message,
    status: known?.getStatus() ?? null,
    body: known?.getBody() ?? null,
    isNetworkError: 'isNetworkError' in error && error.isNetworkError === true,
  })
})

let endedFiles = 0
let tellEnd = (): void => {}
uppy.on('complete', (result) => {
  endedFiles += (result.successful?.length ?? 0) + (result.failed?.length ?? 0)
  tellEnd()
})

function isResponse(value: unknown): value is { getStatus(): number; getBody(): string } {
  return typeof value === 'object' && value !== null && 'getStatus' in value && 'getBody' in value
}

function made({ name, type, bytes, head }: FileSpec): File {
  const first = Uint8Array.from(head, (character) => character.charCodeAt(0))
  const parts: BlobPart[] = [first.subarray(0, bytes)]
  for (let left = bytes - first.length; left > 0; left -= BLOCK.size) parts.push(BLOCK.slice(0, left))
  return new File(parts, name, { type, lastModified: LAST_MODIFIED })
}

const drive: Drive = {
  add: (files) => {
    uppy.addFiles(files.map((spec) => ({ name: spec.name, type: spec.type, data: made(spec) })))
  },
  start: () => {
    // A failed upload tells of itself by its events.
    uppy.upload().catch(() => {})
  },
  cancel: () => uppy.cancelAll(),
  report: () => ({ progress, percentages, asked, succeeded, failed }),
  ended: (files) =>
    new Promise((resolve) => {
      tellEnd = () => {
        if (endedFiles >= files) resolve()
      }
      tellEnd()
    }),
}

Reflect.set(globalThis, 'drive', drive)
