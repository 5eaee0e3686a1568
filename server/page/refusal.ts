import { bytes } from './format.js'

/** What the server's code words mean to somebody who sends files. The server's own sentence stands for all others. */
const WORDS: Readonly<Record<string, string>> = {
  type_refused: 'Files of this type are not accepted here.',
  slots_full: 'All places are taken just now.',
  owner_slots_full: 'All of your places are taken just now.',
  unfinished_full: 'Too many uploads are unfinished on the server.',
  connections_full: 'The server has no free connection just now.',
  shutting_down: 'The server is restarting.',
  starting: 'The server has just started.',
  disk_full: 'The server has no space left for this file.',
  owner_bytes_used: 'Your bytes for today are used up. Try again tomorrow.',
  grant_used: 'This link has been used for all the files that it allows.',
  token_missing: 'Uploads here need a key or a token.',
  token_invalid: 'The key or token is not valid here.',
  token_expired: 'The time of this link or token is over.',
  admin_key_needed: 'This needs the admin key.',
  admin_only: 'Without an admin key, the server shows this only on its own machine.',
  too_many_refusals: 'Too many attempts were refused. Wait a moment, then try again.',
  upload_expired: 'This upload has expired on the server.',
  upload_unknown: 'This upload is not on the server any more.',
  internal: 'Something went wrong on the server.',
}
const UNREACHABLE = 'The server cannot be reached.'

/** An answer of the server that is no success; the message is in words for people. */
export class Refusal extends Error {
  override name = 'Refusal'
  /** 0 where there was no answer. */
  readonly status: number
  readonly code: string

  constructor(status: number, text: string) {
    const [, code = '', sentence = ''] = /^([a-z_]+): (.*)$/m.exec(text) ?? []
    super(WORDS[code] ?? wordsFor(status, sentence === '' ? text : sentence))
    this.status = status
    this.code = code
  }

  /** A key may help. */
  get isForKey(): boolean {
    return this.status === 401
  }
}

/** Tells whether the same request may succeed a moment later. */
export function mayComeBack(error: unknown): boolean {
  return !(error instanceof Refusal) || error.status >= 500
}

/** Any failure in words for people. */
export function wordsOf(error: unknown): string {
  if (error instanceof Refusal) return error.message
  // `fetch` says no more of a network error.
  return error instanceof TypeError ? UNREACHABLE : 'Something went wrong in this page.'
}

/** Of a file that is too large, with the limit. */
export function tooLarge(mostBytes: number): string {
  return `The file is larger than is accepted here: at most ${bytes(mostBytes)}.`
}

function wordsFor(status: number, text: string): string {
  if (status === 0) return UNREACHABLE
  // What a hook of the server's owner says is for the reader; markup of a proxy's error page is not.
  const sentence = text.trim().slice(0, 300)
  if (sentence !== '' && !sentence.includes('<')) return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`
  return `The server answered with status ${status}.`
}
