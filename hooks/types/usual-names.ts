import { canonicalType } from './names.js'

/**
 * What a list may call a type that the bytes show more closely. `always`: every such file goes by that name.
 * `if called`: only where the client calls the file so, as Illustrator's PDF is called PostScript.
 */
const USUAL: ReadonlyMap<string, { readonly always?: string; readonly ifCalled?: string }> = new Map(
  Object.entries({
    'image/apng': { always: 'image/png' },
    'image/heic': { always: 'image/heif' },
    'image/heic-sequence': { always: 'image/heic-sequence image/heic image/heif image/heif-sequence' },
    'image/heif-sequence': { always: 'image/heif' },
    'image/jls': { always: 'image/jpeg' },
    'image/jpx': { always: 'image/jp2' },
    'application/eps': { always: 'application/postscript' },
    'video/x-m4v': { always: 'video/mp4' },
    'video/x-ms-asf': { always: 'application/vnd.ms-asf' },
    'application/pdf': { ifCalled: 'application/postscript application/illustrator' },
    'application/postscript': { ifCalled: 'application/illustrator application/eps' },
    'audio/vnd.dolby.dd-raw': { ifCalled: 'audio/eac3' },
    'application/rtf': { ifCalled: 'application/msword' },
    'audio/x-ms-asf': { always: 'application/vnd.ms-asf audio/x-ms-wma' },
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document': {
      ifCalled: 'application/msword',
    },
    'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': {
      ifCalled: 'application/vnd.ms-excel',
    },
    'application/vnd.openxmlformats-officedocument.presentationml.presentation': {
      ifCalled: 'application/vnd.ms-powerpoint',
    },
  }),
)

/**
 * The other names under which a list may accept a type: those that every such file goes by, and those that this
 * file's declared type or extension gives it.
 */
export function usualNames(type: string, declared: string, named: readonly string[]): readonly string[] {
  const { always = '', ifCalled = '' } = USUAL.get(canonicalType(type)) ?? {}
  const structure = /\+(json|xml|zip)$/.exec(type)
  const called = ifCalled.split(' ').filter((name) => name === declared || named.includes(name))
  const general = structure === null ? '' : `application/${structure[1]}`
  return [...always.split(' '), ...called, general].filter((name) => name !== '')
}
