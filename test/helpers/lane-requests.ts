import { randomFrom } from './sender.js'

/** Random choices of a seed. */
class Dice {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = randomFrom(seed)
  }

  /** A whole number from 0 up to, and without, `below`. */
  below(below: number): number {
    return Math.floor(this.#random() * below)
  }

  once(in_: number): boolean {
    return this.below(in_) === 0
  }

  one<T>(of: readonly T[]): T {
    const found = of[this.below(of.length)]
    if (found === undefined) throw new Error('there is nothing to choose from')
    return found
  }
}

/** What is written to one connection, cut into pieces that are written one by one. */
export interface Script {
  readonly requests: number
  readonly pieces: readonly Buffer[]
}

/** How the server treats a body; see lane-place.ts. */
const PATHS = ['/whole', '/whole', '/whole', '/pausing', '/pausing', '/some', '/refused'] as const
const METHODS = ['PATCH', 'PATCH', 'PATCH', 'POST', 'PUT', 'GET', 'HEAD', 'DELETE', 'OPTIONS', 'M-SEARCH']
/** Each ends its connection: what stands behind it is not served. */
const NO_METHODS = ['patch', 'FOO']
const SMUGGLED = '\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\r\n0\r\n\r\n'
const HARMLESS = [
  'X-A: b',
  'x-empty:',
  'X-Long: '.padEnd(900, 'l'),
  'X-Obs: \u00e4\u00ff',
  'Connection: keep-alive',
  'Expect: 100-continue',
  'Accept: */*',
  'X-Two: a\r\nX-Two: b',
]
const STRANGE = [
  'Connection: close',
  'Expect: 200-maybe',
  'X-Folded: a\r\n b',
  'X-Folded: a\r\n Content-Length: 4',
  'X-Bare: a\nX-After: b',
  'X-Nul: a\0b',
  'X Space: a',
  'X-Space : a',
  ': nameless',
  'no colon',
  'X-Cr: a\rb',
  'Trailer: X-A',
  'TE: trailers',
  'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
]

/** The framing of a body: header lines, and the bytes that follow the head. */
type Framing = { readonly lines: readonly string[]; readonly body: Buffer }

/** A connection's requests: mostly right, with every framing that a server may misunderstand, and cut anywhere. */
export function scriptOf(seed: number): Script {
  const dice = new Dice(seed)
  const requests = 1 + dice.below(12)
  // What is odd often ends its connection: only the last requests are, so that most of them are served.
  const odd = dice.below(3)
  const whole = Array.from({ length: requests }, (_, i) => requestOf(dice, i >= requests - odd))
  const [calm, last] = [whole.slice(0, -1), whole.slice(-1)]
  const bytes = Buffer.concat(dice.once(3) ? [...calm, mutated(dice, Buffer.concat(last))] : whole)
  return { requests: requests + 1, pieces: [...piecesOf(dice, bytes), Buffer.from(LAST)] }
}

/** Shows what a connection still takes for a request behind all others. */
const LAST = 'GET /last HTTP/1.1\r\nHost: x\r\n\r\n'

function requestOf(dice: Dice, isOdd: boolean): Buffer {
  const { lines, body } = framingOf(dice, isOdd)
  const headers = ['Host: x', ...lines]
  while (dice.once(2)) headers.splice(dice.below(headers.length + 1), 0, dice.one(HARMLESS))
  if (isOdd && dice.once(6)) headers.splice(dice.below(headers.length + 1), 0, dice.one(STRANGE))
  const version =
    isOdd && dice.once(8)
      ? dice.one(['HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 '])
      : 'HTTP/1.1'
  const method = dice.one(isOdd && dice.once(10) ? NO_METHODS : METHODS)
  const path = isOdd && dice.once(8) ? '/closing' : dice.one(PATHS)
  const empty = dice.once(20) ? dice.one(['\r\n', '\n', '\r\n\r\n']) : ''
  const end = isOdd && dice.once(10) ? '\n' : '\r\n'
  const head = `${empty}${method} ${path} ${version}${end}${headers.join(end)}${end}${end}`
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

function framingOf(dice: Dice, isOdd: boolean): Framing {
  const body = bodyOf(dice)
  const length = body.length
  const right = { lines: [`Content-Length: ${length}`], body }
  const way = dice.below(20)
  if (way < 2) return { lines: [], body: Buffer.alloc(0) }
  if (way < 4) return chunked(dice, body, isOdd)
  if (way < 12 || !isOdd) return right
  const chunks = chunked(dice, body, isOdd)
  return dice.one<Framing>([
    { lines: [`content-length:${length}`], body },
    { lines: [`CONTENT-LENGTH:   ${length}  `], body },
    { lines: [`Content-Length: ${length}`, `Content-Length: ${length}`], body },
    { lines: [`Content-Length: ${length}`, `Content-Length: ${length + 5}`], body },
    { lines: [`Content-Length: ${length}, ${length}`], body },
    { lines: [`Content-Length: +${length}`], body },
    { lines: [`Content-Length: 0x${length.toString(16)}`], body },
    { lines: [`Content-Length: 0${length}`], body },
    { lines: [`Content-Length: ${length}.0`], body },
    { lines: [`Content-Length: -${length}`], body },
    { lines: [`Content-Length: ${length}e0`], body },
    { lines: ['Content-Length: 99999999999999999999999'], body },
    { lines: ['Content-Length: 18446744073709551617'], body },
    { lines: ['Content-Length:'], body },
    { lines: [`Content-Length : ${length}`], body },
    { lines: [` Content-Length: ${length}`], body },
    { lines: [`Content-Length: ${length}\r\n 5`], body },
    { lines: [`Content-Length: ${Math.max(0, length - 1 - dice.below(20))}`], body },
    { lines: [`Content-Length: ${length + 1 + dice.below(200)}`], body },
    { lines: [`Content-Length: ${length}`, ...chunks.lines], body },
    { lines: [...chunks.lines, `Content-Length: ${chunks.body.length}`], body: chunks.body },
    { lines: ['Transfer-Encoding: gzip, chunked'], body: chunks.body },
    { lines: ['Transfer-Encoding: chunked, gzip'], body: chunks.body },
    { lines: ['Transfer-Encoding: xchunked'], body: chunks.body },
    { lines: ['Transfer-Encoding : chunked'], body: chunks.body },
    { lines: ['Transfer-Encoding:\tchunked'], body: chunks.body },
    { lines: ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], body: chunks.body },
    { lines: ['Transfer-Encoding: CHUNKED'], body: chunks.body },
  ])
}

function chunked(dice: Dice, body: Buffer, isOdd: boolean): Framing {
  const parts: Buffer[] = []
  for (let at = 0; at < body.length; ) {
    const bytes = Math.min(body.length - at, 1 + dice.below(3000))
    const size =
      isOdd && dice.once(20)
        ? dice.one(['', '-1', 'g', '0x5', '5 ', 'fffffffffffffffff'])
        : bytes.toString(16)
    const extension = dice.once(20) ? ';a=b' : ''
    parts.push(Buffer.from(`${size}${extension}\r\n`), body.subarray(at, at + bytes), Buffer.from('\r\n'))
    at += bytes
  }
  parts.push(Buffer.from(dice.once(20) ? '0\r\nX-Trailer: a\r\n\r\n' : '0\r\n\r\n'))
  return { lines: ['Transfer-Encoding: chunked'], body: Buffer.concat(parts) }
}

function bodyOf(dice: Dice): Buffer {
  const kind = dice.below(100)
  if (kind < 10) return Buffer.alloc(0)
  if (kind < 25) return Buffer.from(SMUGGLED.slice(dice.below(4)))
  const most = kind < 60 ? 40 : kind < 92 ? 3_000 : kind < 99 ? 70_000 : 600_000
  const body = Buffer.alloc(1 + dice.below(most), String.fromCharCode(97 + dice.below(26)))
  for (let mark = 0; mark < 8; mark++) body[dice.below(body.length)] = dice.below(256)
  return body
}

function mutated(dice: Dice, bytes: Buffer): Buffer {
  const near = Math.min(bytes.length, dice.once(2) ? 400 : bytes.length)
  const at = dice.below(near)
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
  const byte = Buffer.from([dice.once(2) ? dice.below(256) : dice.one([0, 10, 13, 32, 58, 9, 48, 127])])
  if (dice.once(3)) return Buffer.concat([before, byte, after.subarray(1)])
  if (dice.once(2)) return Buffer.concat([before, byte, after])
  return Buffer.concat([before, after.subarray(1 + dice.below(20))])
}

function piecesOf(dice: Dice, bytes: Buffer): Buffer[] {
  const way = dice.below(10)
  if (way < 3) return [bytes]
  const cuts = new Set<number>()
  // At each byte of a stretch.
  const from = dice.below(Math.min(bytes.length, 2_000))
  if (way === 3) for (let at = from; at < Math.min(bytes.length, from + 150); at++) cuts.add(at)
  // Around where a head ends.
  if (way >= 7) {
    for (
      let at = bytes.indexOf('\r\n\r\n');
      at >= 0 && cuts.size < 12;
      at = bytes.indexOf('\r\n\r\n', at + 4)
    )
      cuts.add(at + dice.below(7))
  } else for (let made = 0; made < 1 + dice.below(6); made++) cuts.add(dice.below(bytes.length))
  const all = [
    0,
    ...[...cuts].filter((at) => at > 0 && at < bytes.length).sort((a, b) => a - b),
    bytes.length,
  ]
  return all.slice(1).map((end, i) => bytes.subarray(all[i], end))
}
