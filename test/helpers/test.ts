import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { Test } from 'uvu'

/** Settles as `promise` does, or fails after `ms` milliseconds and says `what` did not come. */
export async function bounded<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${ms} ms`)), ms)
  })
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** `test` where the programs are on the PATH; elsewhere a test that is skipped, with its reason for the runner. */
export function needsProgram<T>(
  test: Test<T>,
  ...programs: readonly string[]
): (name: string, run: () => Promise<void>) => void {
  const missing = programs.find((program) => !isInstalled(program))
  if (missing === undefined) return test
  return (name) => {
    test.skip(name)
    console.log(`SKIP: ${name} (${missing} is not installed)`)
  }
}

/** Tells whether a program is on the PATH. */
export function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Throws where a server that a test needs must be installed, as in CI. */
export function mayBeSkipped(server: string): void {
  if (process.env.CLUSTER_TESTS === 'must-run')
    throw new Error(`${server} is not installed, and CLUSTER_TESTS says that it must be`)
}
