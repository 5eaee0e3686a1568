/**
 * Finds programs that file-type does not find or confuses: fat Mach-O headers of 64 bits and of the other endianness,
 * and MZ, with which a text or the name of a tar's first file may begin too. Returns null for anything else.
 */
export function seeExecutable(head: Uint8Array, isProse: boolean, isTar: boolean): string | null {
  if (head.length < 4) return null
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  const magic = view.getUint32(0)
  if (magic === 0x7f454c46) return 'application/x-elf'
  if (isMachO(magic) || isFatMachO(magic, view)) return 'application/x-mach-binary'
  if (magic >>> 16 === 0x4d5a && isDosHeader(view, isProse, isTar)) return 'application/x-msdownload'
  return null
}

function isMachO(magic: number): boolean {
  return magic === 0xfeedface || magic === 0xfeedfacf || magic === 0xcefaedfe || magic === 0xcffaedfe
}

/** A Java class has the same first bytes. Its version follows, 43 or more; in a fat header a small count follows. */
function isFatMachO(magic: number, view: DataView): boolean {
  if (view.byteLength < 8) return false
  if (magic === 0xcafebabe || magic === 0xcafebabf) return isArchCount(view.getUint32(4))
  if (magic === 0xbebafeca || magic === 0xbfbafeca) return isArchCount(view.getUint32(4, true))
  return false
}

function isArchCount(count: number): boolean {
  return count > 0 && count <= 30
}

/** Windows loads a file whose word at 0x3c points to its PE header, at most 256 MiB away, whatever else it is. */
function isDosHeader(view: DataView, isProse: boolean, isTar: boolean): boolean {
  if (isProse) return false
  const peOffset = view.byteLength >= 0x40 ? view.getUint32(0x3c, true) : 0
  return !isTar || (peOffset > 0 && peOffset <= 0x10000000)
}
