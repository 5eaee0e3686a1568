import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path/posix'

/** A file of the repository. */
export interface Source {
  readonly path: string
  readonly text: string
  /** The text without its comments. */
  readonly told: string
  /** The text without its comments, strings and regular expressions. */
  readonly code: string
}

const COMMENT = String.raw`\/\*[^]*?\*\/|\/\/[^\n]*`
const STRING = String.raw`'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|${'`'}(?:\\[^]|[^${'`'}\\])*${'`'}`
const PATTERN = String.raw`(?<=[(,=:[!&|?{};]\s*|return\s+)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/`
const TOKENS = new RegExp(`(?<comment>${COMMENT})|(?<text>${STRING}|${PATTERN})`, 'g')

/** Reads a file of TypeScript. */
export function source(path: string): Source {
  const text = readFileSync(path, 'utf8')
  const told = text.replace(TOKENS, (token) => (/^\/[/*]/.test(token) ? '' : token))
  return { path, text, told, code: text.replace(TOKENS, (token) => (/^['"`]/.test(token) ? "''" : '')) }
}

/**
 * The paths of all files. npm starts the tests in the repository. Without git, as in an archive, the folders are read
 * instead.
 */
export function repositoryFiles(): string[] {
  const git = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    encoding: 'utf8',
  })
  if (git.status === 0) return git.stdout.split('\n').filter((path) => path !== '' && existsSync(path))
  const folders = ['server', 'hooks', 'test'].flatMap((folder) => {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    return names.filter((name) => /\.\w+$/.test(name)).map((name) => join(folder, name))
  })
  return [
    ...folders,
    ...['README.md', 'package.json', 'package-lock.json'].filter((path) => existsSync(path)),
  ]
}
