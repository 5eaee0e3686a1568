import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { codeOf, loadSqlite, openSqlite } from '../../server/sqlite.js'
import { nodeApiVersion } from '../../server/vitals.js'

const test = suite('sqlite')

class Working {
  close(): void {}
}
class Newer extends Working {}
class Older extends Working {}
class Broken extends Working {
  constructor() {
    super()
    throw new Error('no binary for this system\nat its path')
  }
}

/** Loads from these packages alone, as `require` does. */
function from(packages: Record<string, typeof Working>): (name: string) => typeof Working {
  return (name) => {
    const found = packages[name]
    if (!found) throw new Error(`Cannot find module '${name}'`)
    return found
  }
}

test('uses better-sqlite3 13 from Node-API 10 on, and 12 before: 13 would end the process there', () => {
  const both = from({ 'better-sqlite3-node-api': Newer, 'better-sqlite3': Older })
  assert.is(loadSqlite(9, both), Older)
  assert.is(loadSqlite(10, both), Newer)
  assert.is(loadSqlite(11, both), Newer)
})

test('uses better-sqlite3 12 where 13 is not installed, or has no binary for this system', () => {
  assert.is(loadSqlite(10, from({ 'better-sqlite3': Older })), Older)
  const reasons: string[] = []
  const broken = from({ 'better-sqlite3-node-api': Broken, 'better-sqlite3': Older })
  assert.is(
    loadSqlite(10, broken, (why) => reasons.push(why)),
    Older,
  )
  assert.equal(reasons, ['Error: no binary for this system at its path'])
})

test('says in one line what to install where neither can be loaded', () => {
  const help =
    /^better-sqlite3 cannot be loaded \(Error: .*\). Install make, g\+\+ and python3, .* run npm ci$/
  for (const packages of [{}, { 'better-sqlite3': Broken }])
    assert.throws(
      () => loadSqlite(9, from(packages)),
      (error: Error) => help.test(error.message),
    )
})

test('what is installed has the version for this Node: 12 ends Node 24 at a garbage collection, now and then', () => {
  const name = nodeApiVersion() < 10 ? 'better-sqlite3' : 'better-sqlite3-node-api'
  const db = openSqlite(':memory:')
  assert.is(db.constructor, createRequire(import.meta.url)(name))
  db.close()
})

test('npm ci needs no compiler for better-sqlite3 13: it brings its binaries', () => {
  // npm would build it because it has a binding.gyp. `npm install` loses this line of the lock file: put it back.
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'))
  assert.is(packages['node_modules/better-sqlite3-node-api'].gypfile, false)
})

test('an error of SQLite has its code, any other error has none', () => {
  const db = openSqlite(':memory:')
  try {
    db.exec('CREATE TABLE one (id PRIMARY KEY); INSERT INTO one VALUES (1)')
    let thrown: unknown
    try {
      db.exec('INSERT INTO one VALUES (1)')
    } catch (error) {
      thrown = error
    }
    assert.is(codeOf(thrown), 'SQLITE_CONSTRAINT_PRIMARYKEY')
    assert.is(codeOf(new Error('no SQLite')), '')
  } finally {
    db.close()
  }
})

test.run()
