import { readFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'

/** What the figures were measured on, as lines of text. */
export function machineLines(folder: string): readonly string[] {
  const cores = cpus()
  return [
    `processor   ${cores[0]?.model ?? 'unknown'}, ${cores.length} cores, shared with the client`,
    `memory      ${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    `system      ${type()} ${release()}, Node ${process.version}`,
    `data        ${fileSystemOf(folder)}`,
  ]
}

/** The type of the file system that a folder lies on: of the mounts above it, the nearest. */
export function fileSystemOf(folder: string): string {
  try {
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .map(([, point = '', kind = '']) => ({ point, kind }))
      .filter(({ point }) => point !== '' && `${folder}/`.startsWith(point === '/' ? '/' : `${point}/`))
      .sort((a, b) => b.point.length - a.point.length)
    return `${mounts[0]?.kind ?? 'unknown'} at ${mounts[0]?.point ?? folder}`
  } catch {
    return 'a file system that is not told'
  }
}
