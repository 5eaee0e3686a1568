import { readFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'

/** What the figures were measured on, in words. */
export interface Machine {
  readonly processor: string
  readonly memory: string
  readonly system: string
  /** The file systems with the data. */
  readonly data: string
}

/** This machine, with the file system of each folder. */
export function machineOf(folders: readonly string[]): Machine {
  const cores = cpus()
  return {
    processor: `${cores[0]?.model ?? 'unknown'}, ${cores.length} cores, shared with the client`,
    memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    system: `${type()} ${release()}, Node ${process.version}`,
    data: [...new Set(folders.map(fileSystemOf))].join(', '),
  }
}

/** The machine as lines of text. */
export function machineLines({ processor, memory, system, data }: Machine): readonly string[] {
  return [`processor   ${processor}`, `memory      ${memory}`, `system      ${system}`, `data        ${data}`]
}

/** The type of the file system with a folder: that of the nearest mount above it. */
function fileSystemOf(folder: string): string {
  try {
    const mounts = readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .map(([, point = '', kind = '']) => ({ point, kind }))
      .filter(({ point }) => point !== '' && `${folder}/`.startsWith(point === '/' ? '/' : `${point}/`))
      .sort((a, b) => b.point.length - a.point.length)
    return `${mounts[0]?.kind ?? 'unknown'} at ${mounts[0]?.point ?? folder}`
  } catch {
    return 'an unknown file system'
  }
}
