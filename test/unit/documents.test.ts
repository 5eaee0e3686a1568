import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TUSD_FLAGS } from '../../server/commands/migrate/tusd-flags.js'
import { settingsTable } from '../../server/config.js'
import { markedTables, pages } from '../helpers/pages.js'

const test = suite('documents')

const LINK = /\]\((?!https?:)([^)#\s]+)[^)]*\)/g

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

test('the tables in the READMEs have every setting with its default once, in the order of --help, and no other', () => {
  const lines = (table: string): string[] => table.trim().split('\n')
  const [names, rule, ...settings] = lines(settingsTable())
  const tables = markedTables('settings').map(lines)
  for (const table of tables) {
    assert.equal(table.slice(0, 2), [names, rule])
    assert.equal(
      table.slice(2),
      settings.filter((row) => table.includes(row)),
    )
  }
  assert.equal(tables.flatMap((table) => table.slice(2)).sort(), settings.sort())
})

test("the table of tusd's flags in the README is what lading migrate-tusd prints", () => {
  const text = readFileSync('server/commands/README.md', 'utf8')
  const [, table = ''] = /<!-- tusd flags -->\n(?:.*\n){2}([\s\S]*?)<!-- /.exec(text) ?? []
  const rows = TUSD_FLAGS.map(([tusd, ours]) => `| \`${tusd}\` | ${ours} |\n`)
  assert.is(table, rows.join(''))
})

test.run()
