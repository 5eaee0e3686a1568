const ID = /^\d{8}-[0-9a-f]{32}$/

/** Makes an upload's id: the UTC day of its creation and 32 digits of lower-case hex, which are random. */
export function createId(now: Date, randomHex: string): string {
  return `${now.toISOString().slice(0, 10).replaceAll('-', '')}-${randomHex}`
}

/** Tells whether a text has the form of an upload's id; nothing else ever becomes part of a path or a key. */
export function isUploadId(text: string): boolean {
  return ID.test(text)
}
