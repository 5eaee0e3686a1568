import { readFileSync } from 'node:fs'

/** The most memory a process has had so far, in bytes (VmHWM); Linux only. */
export function memoryPeak(pid: number): number {
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kibibytes === undefined) throw new Error(`the system does not tell the memory of ${pid}`)
  return Number(kibibytes) * 1024
}
