import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path/posix'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { repositoryFiles, type Source, source } from '../helpers/source-text.js'

const test = suite('house')

/** Where each of these may be imported; what else lives there knows the library, nobody else does. */
const HOMES: Readonly<Record<string, string | readonly string[]>> = {
  // Also in tests: the version that does not suit this Node ends the process.
  'better-sqlite3': 'server/sqlite.ts',
  'better-sqlite3-node-api': 'server/sqlite.ts',
  'cli-progress': 'server/commands',
  'tus-js-client': 'server/commands/upload',
  piscina: 'server/files',
  'file-type': 'hooks',
  mime: 'hooks',
  jose: 'server/http/auth',
  'prom-client': 'server/metrics',
  '@opentelemetry/api': 'server/traces',
  pg: 'server/postgres',
  '@aws-sdk/client-s3': 'server/s3',
  '@tus/server': 'server/tus',
  '@tus/file-store': 'server/uploads',
}

/** main.ts handles arguments and signals; vitals.ts reads the memory and the limits of the process. */
const MAY_USE_PROCESS: readonly string[] = ['server/main.ts', 'server/vitals.ts']

/** Where the parts of the server meet, and where commands begin. */
const MEETING_PLACES = [
  'server/app.ts',
  'server/beside-tus.ts',
  'server/bodies.ts',
  'server/create-locks.ts',
  'server/front.ts',
  'server/nodes.ts',
  'server/owner-limits.ts',
  'server/storage.ts',
  'server/reindex.ts',
  'server/check.ts',
  'server/migrate-tusd.ts',
  'server/main.ts',
]
const TOP_LEVEL = ['server', 'hooks', 'test', 'data', 'README.md', 'LICENSE', 'tsconfig.json', 'package.json']
const TEST_FOLDERS = ['unit', 'protocol', 'clients', 'faults']
const LINE_LIMIT = 280
/** The sources of the web page. */
const BUNDLED = 'server/page/'

interface Import {
  readonly from: string
  readonly typesOnly: boolean
}

const FILES = repositoryFiles()
const SOURCES = FILES.filter((path) => /^(server|hooks|test)\/.*\.ts$/.test(path)).map(source)
const SHIPPED = SOURCES.filter(({ path }) => !path.startsWith('test/'))

function imports({ told }: Source): Import[] {
  const still = [...told.matchAll(/^(?:import|export)\s+(type\s)?[^'"();]*?\bfrom\s*['"]([^'"]+)['"]/gm)]
  const other = [...told.matchAll(/(?:^import\s+|\b(?:import|require|resolve)\(\s*)()['"]([^'"]+)['"]/gm)]
  return [...still, ...other].map(([, type, from = '']) => ({
    from,
    typesOnly: type !== undefined && type !== '',
  }))
}

function packageOf(from: string): string {
  return from.split('/', from.startsWith('@') ? 2 : 1).join('/')
}

/** The file that a relative import means, as a path in the repository. */
function targetOf({ path }: Source, { from }: Import): string {
  return join(dirname(path), from).replace(/\.js$/, '.ts')
}

function mayImport(file: Source, imported: Import): boolean {
  const [own, target] = [dirname(file.path), targetOf(file, imported)]
  if (target === 'server/errors.ts' || MEETING_PLACES.includes(file.path)) return true
  // The client of `lading upload` remembers its own uploads.
  if (target === 'server/sqlite.ts') return /^server\/(records\/sqlite|commands\/upload)\//.test(file.path)
  if (target === 'server/config.ts' && imported.typesOnly) return true
  const to = partOf(dirname(target))
  if (to === 'server/model') return true
  return own === 'server' ? dirname(target) === 'server' : `${dirname(target)}/`.startsWith(`${partOf(own)}/`)
}

/** Each circle of imports, as `file > file > first file`. */
function circlesIn(imported: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' > '))
    if (path.includes(file) || done.has(file)) return
    for (const target of imported.get(file) ?? []) visit(target, [...path, file])
    done.add(file)
  }
  for (const file of imported.keys()) visit(file, [])
  return circles
}

/** `hooks`, or a folder of `server`. */
function partOf(folder: string): string {
  return folder
    .split('/')
    .slice(0, folder.startsWith('hooks') ? 1 : 2)
    .join('/')
}

/** Where `pattern` stands in `text`, as `path:line found`. */
function places({ path }: Source, text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(({ 0: found, index }) => {
    return `${path}:${text.slice(0, index).split('\n').length} ${found.trim()}`
  })
}

function none(found: readonly string[]): void {
  assert.is(found.join('\n'), '')
}

test('the source is there to be read', () => {
  for (const path of ['server/errors.ts', 'server/config.ts', 'test/run.ts'])
    assert.ok(FILES.includes(path), path)
})

test('each library with a home is imported from there alone', () => {
  none(
    SOURCES.flatMap((file) => {
      return imports(file)
        .filter(({ from }) => SHIPPED.includes(file) || from.startsWith('better-sqlite3'))
        .filter(({ from }) => {
          const homes = [HOMES[packageOf(from)] ?? file.path].flat()
          return !homes.some((home) => `${file.path}/`.startsWith(`${home}/`))
        })
        .map(({ from }) => `${file.path} imports ${from}`)
    }),
  )
})

test('what is shipped imports only dependencies of package.json, node: modules, and types of @tus/utils', () => {
  type Lists = Record<'dependencies' | 'optionalDependencies' | 'devDependencies', object>
  const lists: Lists = JSON.parse(readFileSync('package.json', 'utf8'))
  none(
    SHIPPED.flatMap((file) => {
      // The build puts what the page imports into its bundles.
      const page = file.path.startsWith(BUNDLED) ? lists.devDependencies : {}
      const allowed = { ...lists.dependencies, ...lists.optionalDependencies, ...page }
      return imports(file)
        .filter(({ from }) => !/^(\.|node:)/.test(from) && !Object.hasOwn(allowed, packageOf(from)))
        .filter(({ from, typesOnly }) => !(from === '@tus/utils' && typesOnly))
        .map(({ from }) => `${file.path} imports ${from}`)
    }),
  )
})

test('a part imports errors, the type of the settings, the model and itself; parts meet only in app.ts', () => {
  none(
    SHIPPED.flatMap((file) => {
      return imports(file)
        .filter((imported) => imported.from.startsWith('.') && !mayImport(file, imported))
        .map((imported) => `${file.path} > ${targetOf(file, imported)}`)
    }),
  )
})

test('no files import each other in a circle, types included', () => {
  const imported = new Map(
    SHIPPED.map((file) => {
      const targets = imports(file).filter(({ from }) => from.startsWith('.'))
      return [file.path, targets.map((target) => targetOf(file, target))]
    }),
  )
  none(circlesIn(imported))
})

test('PostgreSQL, S3 and the cluster are loaded only where they are named', () => {
  const only = /^(server\/(postgres|records\/postgres|s3|cluster)|hooks\/delivery\/postgres)\//
  none(
    SHIPPED.filter(({ path }) => !only.test(path)).flatMap((file) => {
      const still = [...file.told.matchAll(/^(?:import|export)\s[^'"();]*?\bfrom\s*['"](\.[^'"]+)['"]/gm)]
      return still
        .filter(([statement]) => !statement.startsWith('import type'))
        .map(([, from = '']) => targetOf(file, { from, typesOnly: false }))
        .filter((target) => only.test(target))
        .map((target) => `${file.path} imports ${target} at its start`)
    }),
  )
})

test('only the edge knows its process', () => {
  const files = SHIPPED.filter(({ path }) => !MAY_USE_PROCESS.includes(path))
  const pattern =
    /\bprocess\??\.[a-zA-Z]\w*|\bprocess\[|\}\s*=\s*process\b|\b(?:from|import\()\s*['"](node:)?process['"]/g
  none(files.flatMap((file) => places(file, file.told, pattern)))
})

test('nothing is any, asserted not to be null, or cast through unknown, and no check is silenced', () => {
  const pattern =
    /(?<=[:<,|&(]\s*|\bas\s+|=>\s*)any\b(?!\w*\s*[:(])|[\w)\]]!(?=[.,;:)\]}[(\s]|$)(?!\s*=)|\bas unknown as\b/g
  const silencer = /@ts-(ignore|nocheck|expect-error)|biome-i[g]nore\b(?=.*(noExplicitAny|noNonNull))/g
  none(SOURCES.flatMap((file) => [...places(file, file.code, pattern), ...places(file, file.text, silencer)]))
})

test('every exported function says what it does', () => {
  const bare =
    /(?<!\*\/\n)^export (default )?(async )?function\*? \w+.*|(?<!\*\/\n)^export const \w+ = (async )?[(<].*=>.*/gm
  // The signatures of one overloaded function stand together; the first one has the docstring.
  const overload = /^(export (?:async )?function (\w+)\b[^{]*?\n)(?=export (?:async )?function \2\b)/gm
  none(SHIPPED.flatMap((file) => places(file, file.text.replace(overload, ''), bare)))
})

test(`no file of source is longer than ${LINE_LIMIT} lines`, () => {
  const lengths = SOURCES.map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
  none(lengths.filter(({ lines }) => lines > LINE_LIMIT).map(({ path, lines }) => `${path} has ${lines}`))
})

test('every test is where the runner finds it, is started, and none is alone', () => {
  const files = SOURCES.filter(({ path, code }) => path.endsWith('.test.ts') || /= suite\b/.test(code))
  none(
    files.flatMap((file) => {
      const suites = [...file.told.matchAll(/\b(\w+) = suite\b/g)].map(([, name = '']) => name)
      if (/import \{[^}]*\btest\b[^}]*\} from 'uvu'/.test(file.told)) suites.push('test')
      const idle = suites.filter((name) => !new RegExp(`^${name}\\.run\\(\\)`, 'm').test(file.code))
      const found = new RegExp(`^test/(${TEST_FOLDERS.join('|')})/.*\\.test\\.ts$`).test(file.path)
      return [
        ...(found ? [] : [`${file.path} is not found by the runner`]),
        ...(suites.length > 0 ? [] : [`${file.path} has no suite`]),
        ...idle.map((name) => `${file.path} never calls ${name}.run()`),
        ...places(file, file.code, /\.only\(/g),
      ]
    }),
  )
})

test('nothing is left for later, and nothing names the machine or the registry it was made with', () => {
  const later = /\b(?:TO[D]O|FIX[M]E)\b/g
  const machine = /(?<![\w.~+=-])\/(?:work|root)\b(?!-)|(?<![\w.~+=-])\/home\/\w+/g
  const registry = /\bregistry\.[a-z]\S*|\bnpmjs\.\w+|\/-\/[\w.-]+\.tgz|^\s*"resolved":.*|_auth[T]oken/gim
  const files = FILES.filter((path) => !path.startsWith('test/fixtures/')).map(source)
  none(files.flatMap((file) => [later, machine, registry].flatMap((each) => places(file, file.text, each))))
})

test('the top level holds what the layout names and nothing else', () => {
  const names = new Set(FILES.map((path) => path.split('/')[0] ?? ''))
  const allowed = [...TOP_LEVEL, 'package-lock.json']
  none([...names].filter((name) => !name.startsWith('.') && !allowed.includes(name)))
})

test.run()
