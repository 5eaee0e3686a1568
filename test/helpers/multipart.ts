/** One part of a multipart/byteranges body. */
export interface BodyPart {
  readonly range: string
  readonly type: string
  readonly bytes: Buffer
}

/** The parts of a multipart/byteranges body (RFC 2046, section 5.1.1). Throws where it is none. */
export function bodyParts(contentType: string, body: Buffer): BodyPart[] {
  const boundary = /^multipart\/byteranges; boundary="?([^";]+)"?$/.exec(contentType)?.[1]
  if (boundary === undefined) throw new Error(`${contentType} is no multipart/byteranges`)
  const text = body.toString('latin1')
  const [before, ...parts] = `\r\n${text.replace(/^\r\n/, '')}`.split(`\r\n--${boundary}`)
  if (before !== '' || parts.pop() !== '--\r\n') throw new Error('the body does not begin or end as it must')
  return parts.map((part) => {
    const end = part.indexOf('\r\n\r\n')
    const field = (name: string): string =>
      new RegExp(`^${name}: (.*)$`, 'im').exec(part.slice(0, end))?.[1]?.trim() ?? ''
    return {
      range: field('content-range'),
      type: field('content-type'),
      bytes: Buffer.from(part.slice(end + 4), 'latin1'),
    }
  })
}
