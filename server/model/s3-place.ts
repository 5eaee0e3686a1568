/** Where an engine keeps its uploads: a bucket, and what the keys of all its objects begin with. */
export interface S3Place {
  readonly bucket: string
  /** Ends with a slash unless it is empty. */
  readonly prefix: string
}

const PLACE = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/((?:[\w.-]+\/)*[\w.-]*))?$/

/** The place in a text such as `s3://bucket/prefix`; undefined where it names none. */
export function s3PlaceOf(text: string): S3Place | undefined {
  const [, bucket, path = ''] = PLACE.exec(text) ?? []
  if (bucket === undefined) return undefined
  const prefix = path.replace(/\/$/, '')
  return { bucket, prefix: prefix === '' ? '' : `${prefix}/` }
}
