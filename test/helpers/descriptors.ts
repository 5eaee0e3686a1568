import { spawnSync } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import type { TestServer } from './server.js'

type Process = Pick<TestServer, 'pid'>

/** The files of uploads that a process has open, without sidecars; Linux only. */
export function openUploads({ pid }: Process): string[] {
  const folder = `/proc/${pid}/fd`
  const targets = readdirSync(folder).map((name) => {
    try {
      return readlinkSync(`${folder}/${name}`)
    } catch {
      // Closed meanwhile.
      return ''
    }
  })
  return targets.filter((target) => /\/uploads\/\d{4}\/\d{2}\/\d{2}\/[^./]+$/.test(target))
}

/** Leaves a process no descriptor beyond those it has open; returns how it gets its limit back. Needs prlimit. */
export function starve({ pid }: Process): () => void {
  const before = softLimit(pid)
  setSoftLimit(pid, '3')
  return () => setSoftLimit(pid, before)
}

function softLimit(pid: number): string {
  const { stdout } = prlimit(['--pid', String(pid), '--nofile', '--noheadings', '--raw', '--output', 'SOFT'])
  return stdout.trim()
}

function setSoftLimit(pid: number, limit: string): void {
  const { status, stderr } = prlimit(['--pid', String(pid), `--nofile=${limit}:`])
  if (status !== 0) throw new Error(`prlimit: ${stderr}`)
}

function prlimit(args: readonly string[]) {
  return spawnSync('prlimit', args, { encoding: 'utf8' })
}
