import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { pathOf, queryOf } from '../../server/http/target.js'

const test = suite('request target')

const PATHS: ReadonlyArray<[target: string | undefined, path: string]> = [
  ['/files', '/files'],
  ['/files?a=/b', '/files'],
  ['/files/../api', '/files/../api'],
  ['http://lading.test/files?a', '/files'],
  ['HTTPS://lading.test:8443/files', '/files'],
  ['http://lading.test/files/../api', '/files/../api'],
  ['http://lading.test/files/%2e%2e/api', '/files/%2e%2e/api'],
  ['http://lading.test//files', '//files'],
  // "If the target URI's path component is empty, the client MUST send "/" as the path" (RFC 9112, section 3.2.1).
  ['http://lading.test', '/'],
  ['http://lading.test?a=b', '/'],
  // Some take a backslash for a slash.
  ['http://lading.test\\files/api', ''],
  ['http://', ''],
  ['no address', ''],
  ['lading.test:443', ''],
  ['*', ''],
  ['', ''],
  [undefined, ''],
]

for (const [target, path] of PATHS) {
  test(`the path of ${target} is ${path || 'none'}, as it was sent`, () => assert.is(pathOf(target), path))
}

test('the query is what stands behind the first question mark', () => {
  assert.equal(['/a?b=c?d', 'http://lading.test?b', '/a'].map(queryOf), ['b=c?d', 'b', ''])
})

test.run()
