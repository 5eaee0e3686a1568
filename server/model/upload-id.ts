const DATED = /^\d{8}(?:[0-9a-f]{32}|-[0-9A-Za-z_-]{1,64})$/
/**
 * What other tus servers name their uploads: 32 hexadecimal digits, a UUID, or what a hook chose. At least 16 characters
 * with a digit among them, so that no word of an address or of JavaScript is one.
 */
const ADOPTED = /^(?=.*\d)[0-9A-Za-z][0-9A-Za-z_-]{15,63}$/

/**
 * Makes an upload's id: the UTC day of its creation and 32 digits of lower-case hex, which are random. `hex`: with
 * no dash between them.
 */
export function createId(now: Date, randomHex: string, form: 'dashed' | 'hex' = 'dashed'): string {
  return `${dayOf(now)}${form === 'hex' ? '' : '-'}${randomHex}`
}

/**
 * The id of an upload that a hook names: the name itself where it is an id of today, else today and the name.
 * Undefined where that is no id.
 */
export function chosenId(now: Date, name: string): string | undefined {
  const id = isDatedId(name) && name.startsWith(dayOf(now)) ? name : `${dayOf(now)}-${name}`
  return isDatedId(id) ? id : undefined
}

function dayOf(now: Date): string {
  return now.toISOString().slice(0, 10).replaceAll('-', '')
}

/**
 * Tells whether a text has the form of an upload's id, one that a hook chose or that another server made included;
 * nothing else ever becomes part of a path or a key.
 */
export function isUploadId(text: string): boolean {
  return DATED.test(text) || ADOPTED.test(text)
}

/** Tells whether an id begins with the day of its creation. Those that were adopted from another server do not. */
export function isDatedId(text: string): boolean {
  return DATED.test(text)
}
