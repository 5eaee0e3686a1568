import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'

const CLOCK_TOLERANCE_S = 30

/** Names the machine's current boot: Linux's boot id, or where there is none the time of the boot in seconds. */
export function currentBoot(nowMs: number): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    // Not Linux: the time of the boot is the next best name.
    return `at-${Math.round(nowMs / 1000 - uptime())}`
  }
}

/** Tells whether two names mean the same boot; times may differ by what a clock is set by. */
export function isSameBoot(a: string, b: string): boolean {
  if (a === b) return true
  if (!a.startsWith('at-') || !b.startsWith('at-')) return false
  return Math.abs(Number(a.slice(3)) - Number(b.slice(3))) <= CLOCK_TOLERANCE_S
}
