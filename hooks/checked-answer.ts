import type { HookAnswer } from '../server/model/hook.js'

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
/** A media type, perhaps with parameters (RFC 9110, section 8.3.1). */
const TYPE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[\t ]*;[\t\x20-\x7e]*)?$/
const MOST_TYPE_CHARACTERS = 255
const MOST_BODY_CHARACTERS = 64 * 1024
const MOST_HEADERS = 50
/** Headers that frame an answer, or that tus clients resume by. */
const OURS = new Set([
  ...['connection', 'content-length', 'keep-alive', 'proxy-connection', 'te', 'trailer'],
  ...['transfer-encoding', 'upgrade', 'date', 'repr-digest'],
  ...['upload-offset', 'upload-length', 'upload-defer-length', 'upload-concat', 'upload-expires'],
  ...['tus-resumable', 'tus-version'],
])

/**
 * What a hook wants the client to get, as far as it can be sent: a status that refuses (400 to 599) or one that is a
 * success (200 to 299), headers that end neither the head nor the framing. `unusable` gets a line for each part that
 * is left out.
 */
export function checkedAnswer(
  answer: HookAnswer | undefined,
  isRefusal: boolean,
  unusable: (problem: string) => void,
): HookAnswer {
  if (answer === undefined) return {}
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(answer.headers ?? {}).slice(0, MOST_HEADERS)) {
    if (!NAME.test(name) || !VALUE.test(value)) unusable('a header that is not valid HTTP')
    else if (OURS.has(name.toLowerCase()))
      unusable(`the header ${name.toLowerCase()}, which the server sends itself`)
    else headers[name] = value
  }
  const { body } = answer
  const isTooLong = body !== undefined && body.length > MOST_BODY_CHARACTERS
  if (isTooLong) unusable('a body over 64 KiB')
  return {
    headers,
    status: checkedStatus(answer.status, isRefusal, unusable),
    body: isTooLong ? undefined : body,
  }
}

/** The type that a hook gives an upload, as far as a header can have it; `unusable` as above. */
export function checkedType(
  type: string | undefined,
  unusable: (problem: string) => void,
): string | undefined {
  if (type === undefined || (type.length <= MOST_TYPE_CHARACTERS && TYPE.test(type))) return type
  unusable('a type that is no media type')
  return undefined
}

function checkedStatus(
  status: number | undefined,
  isRefusal: boolean,
  unusable: (problem: string) => void,
): number | undefined {
  // tusd's receivers send 0 for none.
  if (status === undefined || status === 0) return undefined
  const [least, most] = isRefusal ? [400, 599] : [200, 299]
  if (Number.isInteger(status) && status >= least && status <= most) return status
  unusable(`the status ${status}: it must be ${least} to ${most}`)
  return undefined
}
