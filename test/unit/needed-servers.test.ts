import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const NEEDS_BOTH = fileURLToPath(new URL('../faults/s3-engine.test.js', import.meta.url))

/** Runs a file of tests that need Ceph's gateway where no program is on the PATH. */
function withoutGateway(env: Readonly<Record<string, string>>) {
  return spawnSync(process.execPath, [NEEDS_BOTH], { env: { PATH: '', ...env }, encoding: 'utf8' })
}

test('a test that needs a server which is not installed is skipped, counted, and says why', () => {
  const { status, stdout } = withoutGateway({})
  assert.is(status, 0)
  assert.match(stdout, /^.*SKIP: .+ \(Ceph's gateway is not installed\)$/m)
  assert.match(stdout, /Total: +0\n +Passed: +0\n +Skipped: +[1-9]/)
})

test('with CLUSTER_TESTS=must-run it fails, as .ci/run asks for', () => {
  const { status, stderr } = withoutGateway({ CLUSTER_TESTS: 'must-run' })
  assert.is(status, 1)
  assert.match(stderr, "Ceph's gateway is not installed, and CLUSTER_TESTS says that it must be")
})

test.run()
