import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** Linux counts a process's time in hundredths of a second. */
const TICKS_A_SECOND = 100

/** What a server and its children used; undefined where the system does not show it. */
export interface Usage {
  readonly cpuSeconds: number
  readonly peakRssBytes: number
}

/** Processor time so far, of all threads, and peak resident memory, of a process and its children. */
export function usageOf(pid: number): Usage | undefined {
  try {
    const each = familyOf(pid).map((member) => ({ cpu: cpuSeconds(member), rss: status(member, 'VmHWM') }))
    return {
      cpuSeconds: each.reduce((sum, { cpu }) => sum + cpu, 0),
      peakRssBytes: each.reduce((sum, { rss }) => sum + rss, 0),
    }
  } catch {
    return undefined
  }
}

/** Resident memory now, in bytes. */
export function rssOf(pid: number): number {
  return status(pid, 'VmRSS')
}

/** Lets the peak of resident memory begin anew. */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

function cpuSeconds(pid: number): number {
  const fields = statOf(pid)
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND
}

/** The fields of /proc/<pid>/stat behind the name, which may have spaces: state, parent, … */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function status(pid: number, name: string): number {
  const [, kilobytes] =
    new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}

function familyOf(pid: number): number[] {
  const others = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const children = others.map(Number).filter((other) => {
    try {
      return Number(statOf(other)[1]) === pid
    } catch {
      // It ended while we looked.
      return false
    }
  })
  return [pid, ...children]
}
