const RATE = 48_000
const FRAME_BYTES = 4
/** Milliseconds, as all times of the file. */
const SCALE = 1_000

const u16 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(2 * values.length)
  for (const [at, value] of values.entries()) bytes.writeUInt16BE(value, 2 * at)
  return bytes
}
const u32 = (...values: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value, 4 * at)
  return bytes
}
const box = (type: string, ...parts: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(parts)
  return Buffer.concat([u32(content.length + 8), Buffer.from(type, 'latin1'), content])
}
const MATRIX = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)

/**
 * An mp4 with so many seconds of a tone, uncompressed (ISO/IEC 14496-12), which every Chromium plays. Its index stands
 * at its end, as a camera writes it: nobody can play it without that, nor seek without ranges.
 */
export function soundMp4(seconds: number): Buffer {
  const frames = seconds * RATE
  const sound = Buffer.alloc(frames * FRAME_BYTES)
  for (let frame = 0; frame < frames; frame++) {
    const level = Math.round(8_000 * Math.sin((2 * Math.PI * 440 * frame) / RATE))
    sound.writeInt16LE(level, frame * FRAME_BYTES)
    sound.writeInt16LE(level, frame * FRAME_BYTES + 2)
  }
  const ftyp = box('ftyp', Buffer.from('isom'), u32(512), Buffer.from('isommp41'))
  const length = seconds * SCALE
  const chunks = Array.from({ length: seconds }, (_, second) => ftyp.length + 8 + second * RATE * FRAME_BYTES)
  const entry = box('sowt', u32(0), u16(0, 1), u32(0, 0), u16(2, 16, 0, 0), u32(RATE * 0x10000))
  const stbl = box(
    'stbl',
    box('stsd', u32(0, 1), entry),
    box('stts', u32(0, 1, frames, 1)),
    box('stsc', u32(0, 1, 1, RATE, 1)),
    box('stsz', u32(0, FRAME_BYTES, frames)),
    box('stco', u32(0, chunks.length, ...chunks)),
  )
  const dinf = box('dinf', box('dref', u32(0, 1), box('url ', u32(1))))
  const minf = box('minf', box('smhd', u32(0, 0)), dinf, stbl)
  const hdlr = box('hdlr', u32(0, 0), Buffer.from('soun'), u32(0, 0, 0), Buffer.from('sound\0'))
  const mdia = box('mdia', box('mdhd', u32(0, 0, 0, RATE, frames), u16(0x55c4, 0)), hdlr, minf)
  const tkhd = box('tkhd', u32(7, 0, 0, 1, 0, length, 0, 0), u16(0, 0, 0x100, 0), MATRIX, u32(0, 0))
  const mvhd = box(
    'mvhd',
    u32(0, 0, 0, SCALE, length, 0x10000),
    u16(0x100, 0),
    u32(0, 0),
    MATRIX,
    Buffer.alloc(24),
    u32(2),
  )
  return Buffer.concat([ftyp, box('mdat', sound), box('moov', mvhd, box('trak', tkhd, mdia))])
}
