import { systemCodeOf, UploadError } from '../errors.js'

/** An upload's bytes are gone or are not as they were left. The code stands in the message, which crosses threads. */
export class BytesFault extends Error {
  readonly code: 'DAMAGED' | 'REPLACED' | 'MISSING'

  constructor(code: BytesFault['code'], text: string) {
    super(`${code}: ${text}`)
    this.code = code
  }
}

/** The bytes of a part that is being joined do not match a checkpoint. */
export class PartDamaged extends Error {
  readonly part: string

  constructor(part: string) {
    super('the bytes of a part do not match its digest')
    this.part = part
  }
}

/** Tells whether an upload's bytes are others than those that were there when its body began. */
export function isReplaced(error: UploadError): boolean {
  return systemCodeOf(error.cause) === 'REPLACED'
}

/** Tells whether an upload's bytes are gone, or are not as they were left. */
export function isBytesFault(error: unknown): error is UploadError {
  return (
    error instanceof UploadError && ['DAMAGED', 'REPLACED', 'MISSING'].includes(systemCodeOf(error.cause))
  )
}
