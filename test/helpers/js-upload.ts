/**
 * tus-js-client in a process of its own, so that a test can kill it: `node js-upload.js <url> <file> <storage>`.
 * It keeps URLs in the file `storage`, goes on with what it finds there, and writes a Success as JSON.
 */
import { createReadStream } from 'node:fs'
import { FileUrlStorage, Upload } from 'tus-js-client'

declare module 'tus-js-client' {
  /** Exported in Node, but not by its types. */
  export class FileUrlStorage implements UrlStorage {
    constructor(path: string)
    findAllUploads(): Promise<PreviousUpload[]>
    findUploadsByFingerprint(fingerprint: string): Promise<PreviousUpload[]>
    removeUpload(urlStorageKey: string): Promise<void>
    addUpload(fingerprint: string, upload: PreviousUpload): Promise<string>
  }
}

const [endpoint = '', path = '', storage = ''] = process.argv.slice(2)
const answers: string[] = []
const upload = new Upload(createReadStream(path), {
  endpoint,
  urlStorage: new FileUrlStorage(storage),
  onAfterResponse: (request, response) => {
    answers.push(`${request.getMethod()} ${response.getStatus()}`)
  },
  onSuccess: ({ lastResponse }) => {
    const digest = lastResponse.getHeader('Repr-Digest')
    console.log(JSON.stringify({ path: new URL(upload.url ?? '').pathname, digest, answers }))
  },
})
const [previous] = await upload.findPreviousUploads()
if (previous) upload.resumeFromPreviousUpload(previous)
upload.start()
