import { FileTypeParser } from 'file-type'

type Encoding = 'utf-16le' | 'utf-16be'

/** The texts that file-type compares files with, as bytes. They are constants of its code, some eighty. */
const bytesOfTexts = new Map<string, readonly number[]>()

/**
 * file-type makes a new array of each text that it compares a file with, which takes longer than all its comparing.
 * Here each array is made once. file-type does not document these methods: where it calls another one, it is as slow
 * as before.
 */
class Parser extends FileTypeParser {
  declare protected readonly check: (bytes: readonly number[], options?: object) => boolean

  protected checkString(text: string, options?: { readonly encoding?: Encoding }): boolean {
    return this.check(bytesOf(text, options?.encoding), options)
  }
}

function bytesOf(text: string, encoding?: Encoding): readonly number[] {
  const key = encoding === undefined ? text : `${encoding} ${text}`
  const known = bytesOfTexts.get(key)
  if (known) return known
  const bytes = Buffer.from(text, encoding === undefined ? 'latin1' : 'utf16le')
  const made = [...(encoding === 'utf-16be' ? bytes.swap16() : bytes)]
  bytesOfTexts.set(key, made)
  return made
}

/** Parsers that nothing uses now: one is made of dozens of closures, which cost more than its look at a file. */
const parsers: Parser[] = []
const MOST_PARSERS = 8

/** The type that file-type sees in a head; undefined where it sees none. A parser looks at one file at a time. */
export async function mimeOf(head: Uint8Array): Promise<string | undefined> {
  const parser = parsers.pop() ?? new Parser()
  try {
    return (await parser.fromBuffer(head))?.mime
  } finally {
    if (parsers.length < MOST_PARSERS) parsers.push(parser)
  }
}
