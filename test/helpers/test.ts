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

/** `test` where `program` is on the PATH; elsewhere a test that is skipped, with its reason for the runner. */
export function needsProgram<T>(
  test: Test<T>,
  program: string,
): (name: string, run: () => Promise<void>) => void {
  if (isInstalled(program)) return test
  return (name) => {
    test.skip(name)
    console.log(`SKIP: ${name} (${program} is not installed)`)
  }
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
