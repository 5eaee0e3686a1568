import { SNIFF_BYTES } from '../../server/model/sniff-bytes.js'
import type { Sniffer, SniffVerdict } from '../../server/model/sniffer.js'
import { calledDanger, dangerOf } from './dangers.js'
import { extensionOf, typesOfExtension } from './extensions.js'
import { isMember, type Sight } from './families.js'
import { canonicalType } from './names.js'
import { OCTET_STREAM, see } from './sight.js'
import { usualNames } from './usual-names.js'

/** What a client calls its file. */
interface Client {
  /** A canonical type; '' where none is declared, or one that says nothing. */
  readonly declared: string
  readonly extension: string
  /** Canonical types by the extension, the likeliest first. */
  readonly named: readonly string[]
}

/** Declared types that say nothing: the name decides. */
const GENERIC: ReadonlySet<string> = new Set([
  OCTET_STREAM,
  'application/offset+octet-stream',
  'binary/octet-stream',
  'application/binary',
  'application/unknown',
  'application/x-unknown',
  'application/x-download',
  'application/force-download',
  'application/zip',
  'application/x-compressed',
  'application/x-cfb',
])
/** A browser runs it only under this type. As text it is harmless, and every developer has it. */
const JAVASCRIPT = 'text/javascript'
const JAR = 'application/java-archive'

/**
 * Builds the rule about types (hooks/types/README.md).
 *
 * The bytes decide where they show an exact type. Where they only name a family, the declared type chooses
 * within it, and where that says nothing, the extension. With an empty `accept`, only executables and active
 * content are refused. With patterns (`image/*`, `application/pdf`) only what is on the list gets in, and
 * executables and active content only where their exact type is on it.
 *
 * @throws RangeError by the sniffer, for a head shorter than SNIFF_BYTES that is not the whole upload.
 */
export function createSniffer(accept: readonly string[]): Sniffer {
  const judge = judgeBy(accept)
  return async (input) => {
    const verdict = await judge(input)
    return verdict.accepted && input.accept ? judgeBy(input.accept)(input) : verdict
  }
}

function judgeBy(accept: readonly string[]): Sniffer {
  const list = new Set(accept.map((pattern) => canonicalType(pattern)))
  return async ({ head, whole, declaredType, filename }) => {
    if (!whole && head.length < SNIFF_BYTES) {
      throw new RangeError(`The type is decided at ${SNIFF_BYTES} bytes or at the end, not at ${head.length}`)
    }
    const client = clientOf(declaredType, filename)
    const sight = await see(head.subarray(0, SNIFF_BYTES), callsOf(client))
    // Nothing runs an empty file.
    const called = head.length === 0 ? null : calledDanger(sight.openness, client.declared, client.extension)
    // An app for Android and an extension of a browser are jars too, by their bytes.
    const isOpen = dangerOf(sight.type) === null || sight.type === JAR
    const type = isOpen ? (called ?? sight.type) : sight.type
    const danger = sight.danger ?? dangerOf(type)
    if (danger !== null) return list.has(canonicalType(type)) ? keep(type) : refuse(type, danger)
    const types = typesOf(sight, client, head.length === 0, list)
    if (list.size === 0) return keep(types[0])
    return judgeByList(list, types, usualNames(types[0], client.declared, client.named))
  }
}

function clientOf(declaredType: string | null, filename: string | null): Client {
  const declared = canonicalType(declaredType ?? '')
  const extension = extensionOf(filename)
  return { declared: GENERIC.has(declared) ? '' : declared, extension, named: typesOfExtension(extension) }
}

function callsOf({ declared, named }: Client): Parameters<typeof see>[1] {
  const types = declared === '' ? named : [declared, ...named]
  const isXml = (type: string): boolean => type === 'application/xml' || type.endsWith('+xml')
  return {
    types,
    markdown: types.includes('text/markdown'),
    xml: types.some(isXml) && !types.includes('application/xhtml+xml'),
    svg: types.includes('image/svg+xml'),
  }
}

/** The types a file may be kept under, the closest first: as declared, as named, as seen. */
function typesOf(
  sight: Sight,
  { declared, named }: Client,
  isEmpty: boolean,
  list: ReadonlySet<string>,
): readonly [string, ...string[]] {
  // An empty file may be an empty text as well as it may be nothing.
  const family = isEmpty ? 'text' : sight.family
  if (family === null) return [sight.type]
  const chosen = [declared, ...named]
    .filter((type) => type !== JAVASCRIPT || list.has(type))
    .filter((type) => isMember(family, type, list.has(type)))
    .map((type) => (type === canonicalType(sight.type) ? sight.type : type))
  const [first = sight.type, ...others] = [...chosen, sight.type]
  return [first, ...others]
}

function judgeByList(
  list: ReadonlySet<string>,
  types: readonly [string, ...string[]],
  usual: readonly string[],
): SniffVerdict {
  const listed = types.find((type) => list.has(canonicalType(type)) || isInGroup(list, type))
  if (listed !== undefined) return keep(listed)
  return usual.some((name) => list.has(name)) ? keep(types[0]) : refuse(types[0], null)
}

function isInGroup(list: ReadonlySet<string>, type: string): boolean {
  return list.has('*/*') || list.has(canonicalType(type).replace(/\/.*$/, '/*'))
}

function keep(type: string): SniffVerdict {
  return { accepted: true, type }
}

function refuse(type: string, danger: string | null): SniffVerdict {
  const why = danger === null ? '' : `: ${danger}`
  return { accepted: false, type, reason: `seen as ${type}, which is not accepted here${why}` }
}
