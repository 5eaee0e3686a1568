import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Every README.md of the repository, in which npm starts the tests. */
export function pages(): string[] {
  const beside = ['server', 'hooks', 'test'].flatMap((folder) => {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    return names.filter((name) => name.endsWith('README.md')).map((name) => join(folder, name))
  })
  return ['README.md', ...beside]
}

/** What stands between `<!-- name -->` and `<!-- /name -->`, of each page that has it. */
export function markedTables(name: string): string[] {
  return pages().flatMap((page) => {
    const [, inside] = readFileSync(page, 'utf8').split(`<!-- ${name} -->`)
    if (inside === undefined) return []
    const [table = '', ...end] = inside.split(`<!-- /${name} -->`)
    if (end.length === 0) throw new Error(`${page} has no <!-- /${name} -->`)
    return [table.trim()]
  })
}
