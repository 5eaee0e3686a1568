import { dangerOf } from './dangers.js'
import { contradicts, narrowType } from './families.js'
import { canonicalType } from './names.js'
import { OCTET_STREAM, see } from './sight.js'

/** How many bytes of an upload are looked at before it is let in. */
export const SNIFF_BYTES = 512

/** What is known of an upload when its first bytes are there. */
export interface SniffInput {
  /** The first bytes of the upload: SNIFF_BYTES of them, or all of a shorter upload. */
  readonly head: Uint8Array
  /** Whether `head` is the whole upload. */
  readonly whole: boolean
  /** `filetype` of the client's metadata, as it came. */
  readonly declaredType: string | null
  /** `filename` of the client's metadata, as it came. */
  readonly filename: string | null
}

/** The decision; `reason` is for the record and the log, and holds nothing that a client wrote. */
export type SniffVerdict =
  | { readonly accepted: true; readonly type: string }
  | { readonly accepted: false; readonly type: string; readonly reason: string }

/** Decides whether an upload may come in, and the type it is kept under. */
export type Sniffer = (input: SniffInput) => Promise<SniffVerdict>

/**
 * Builds the rule about types (DESIGN, "Types").
 *
 * With an empty `accept`, executables and active content are refused, and so are bytes that contradict a
 * declared type that has a signature. With patterns (`image/*`, `application/pdf`) only what is seen to be on
 * the list gets in, and executables and active content only where their exact type is on it.
 *
 * The type is the one that was seen. Where kinds share a signature and 512 bytes cannot tell them apart
 * (a .doc and an .xls, a CSV and a log), it is the declared one of them.
 *
 * @throws RangeError by the sniffer, for a head shorter than SNIFF_BYTES that is not the whole upload.
 */
export function createSniffer(accept: readonly string[]): Sniffer {
  const list = accept.map((pattern) => canonicalType(pattern))
  return async ({ head, whole, declaredType, filename }) => {
    if (!whole && head.length < SNIFF_BYTES) {
      throw new RangeError(`The type is decided at ${SNIFF_BYTES} bytes or at the end, not at ${head.length}`)
    }
    const declared = canonicalType(declaredType ?? '')
    const sight = await see(head.subarray(0, SNIFF_BYTES), isMarkdown(declared, filename))
    const seen = narrowType(sight.type, '')
    const type = narrowType(sight.type, declared)
    const danger = sight.danger ?? dangerOf(type)
    if (list.length > 0) return judgeByList(list, [type, seen], danger)
    if (danger !== null) return refuse(type, danger)
    // No bytes contradict nothing: an empty file is a file.
    if (head.length > 0 && contradicts(seen, declared)) return refuse(type, contradiction(seen, declared))
    return keep(type)
  }
}

/** Markdown may begin with an HTML tag and is not HTML. */
function isMarkdown(declared: string, filename: string | null): boolean {
  return declared === 'text/markdown' || /\.(?:md|markdown)$/i.test(filename ?? '')
}

/** The first of the types, the closest first, that is on the list; by its own name only when dangerous. */
function judgeByList(
  list: readonly string[],
  types: readonly [string, string],
  danger: string | null,
): SniffVerdict {
  const listed = types.find(
    (type) => list.includes(canonicalType(type)) || (!danger && isInGroup(list, type)),
  )
  if (listed !== undefined) return keep(listed)
  return refuse(types[0], danger ?? `seen as ${types[1]}, which is not on the list of accepted types`)
}

function isInGroup(list: readonly string[], type: string): boolean {
  const group = canonicalType(type).replace(/\/.*$/, '/*')
  return list.includes(group) || list.includes('*/*')
}

function contradiction(seen: string, declared: string): string {
  const bytes = seen === OCTET_STREAM ? 'show no such signature' : `are ${seen}`
  return `declared as ${declared}, but its first bytes ${bytes}`
}

function keep(type: string): SniffVerdict {
  return { accepted: true, type }
}

function refuse(type: string, reason: string): SniffVerdict {
  return { accepted: false, type, reason }
}
