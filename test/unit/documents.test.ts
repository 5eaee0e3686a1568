import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TUSD_FLAGS } from '../../server/commands/migrate/tusd-flags.js'

const test = suite('documents')

const LINK = /\]\((?!https?:)([^)#\s]+)[^)]*\)/g

/** Every README.md of the repository, in which npm starts the tests. */
function pages(): string[] {
  const beside = ['server', 'hooks', 'test'].flatMap((folder) => {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    return names.filter((name) => name.endsWith('README.md')).map((name) => join(folder, name))
  })
  return ['README.md', ...beside]
}

function linksOf(page: string): string[] {
  return [...readFileSync(page, 'utf8').matchAll(LINK)].map(([, target = '']) => join(dirname(page), target))
}

test('every link in a README leads to a file', () => {
  assert.equal(
    pages()
      .flatMap(linksOf)
      .filter((target) => !existsSync(target)),
    [],
  )
})

test('every README is linked from another one', () => {
  const linked = new Set(pages().flatMap((page) => linksOf(page).filter((target) => target !== page)))
  assert.equal(
    pages().filter((page) => page !== 'README.md' && !linked.has(page)),
    [],
  )
})

test("the table of tusd's flags in the README is what lading migrate-tusd prints", () => {
  const text = readFileSync('server/commands/README.md', 'utf8')
  const [, table = ''] = /<!-- tusd flags -->\n(?:.*\n){2}([\s\S]*?)<!-- /.exec(text) ?? []
  const rows = TUSD_FLAGS.map(([tusd, ours]) => `| \`${tusd}\` | ${ours} |\n`)
  assert.is(table, rows.join(''))
})

test.run()
