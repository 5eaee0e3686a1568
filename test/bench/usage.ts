import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

/** Linux counts a process's time in hundredths of a second. */
const TICKS_A_SECOND = 100
/** Fields of /proc/<pid>/stat behind the name. */
const PARENT = 1
const CPU_TIMES = { user: 11, system: 12, endedUser: 13, endedSystem: 14 }

export interface Usage {
  readonly cpuSeconds: number
  readonly peakRssBytes: number
}

/**
 * The processor time of a process and all below it so far, with that of children that have ended, and their
 * peak resident memory. Undefined if there is no such process, or the system does not show it.
 */
export function usageOf(pid: number): Usage | undefined {
  const members = familyOf(pid)
  if (members.length === 0) return undefined
  const { user, system, endedUser, endedSystem } = CPU_TIMES
  return {
    cpuSeconds: sum(members, (member) => cpuSeconds(member, [user, system, endedUser, endedSystem])),
    peakRssBytes: sum(members, (member) => memoryOf(member, 'VmHWM')),
  }
}

/** The resident memory of a process and all below it, in bytes. */
export function rssOf(pid: number): number {
  return sum(familyOf(pid), (member) => memoryOf(member, 'VmRSS'))
}

/** Makes the peak of resident memory start again from what is resident now, where the system permits it. */
export function resetPeak(pid: number): void {
  for (const member of familyOf(pid)) ifReadable(() => writeFileSync(`/proc/${member}/clear_refs`, '5'))
}

/** The processor time of this process's children that have ended; 0 where the system does not show it. */
export function endedChildrenCpuSeconds(): number {
  return ifReadable(() => cpuSeconds(process.pid, [CPU_TIMES.endedUser, CPU_TIMES.endedSystem])) ?? 0
}

function cpuSeconds(pid: number, fields: readonly number[]): number {
  const stat = statOf(pid)
  return fields.reduce((ticks, field) => ticks + Number(stat[field]), 0) / TICKS_A_SECOND
}

/** The fields of /proc/<pid>/stat behind the name. The name stands in brackets and may have spaces. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

function memoryOf(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const [, kilobytes] = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status) ?? []
  return Number(kilobytes ?? 0) * 1024
}

/** The process, its children, theirs, and so on; empty if there is no such process. */
function familyOf(pid: number): readonly number[] {
  const parents = ifReadable(() => {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    return new Map(pids.map((each) => [Number(each), ifReadable(() => Number(statOf(Number(each))[PARENT]))]))
  })
  const family = parents?.has(pid) ? [pid] : []
  // The loop also visits what it adds.
  for (const member of family)
    for (const [child, parent] of parents ?? []) if (parent === member) family.push(child)
  return family
}

function sum(pids: readonly number[], figure: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + (ifReadable(() => figure(pid)) ?? 0), 0)
}

/** Undefined where it fails: the process has just ended, belongs to somebody else, or there is no /proc. */
function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
