/**
 * Gives every switch on a command line its value, so that it reads like any other flag: `--page` becomes
 * `--page=on`, `--no-page` becomes `--page=off`, and `--page off` becomes `--page=off`.
 *
 * @param switches names of flags, without their dashes
 * @param words the values of a switch: any other word after it is an argument of its own
 */
export function withSwitchValues(
  argv: readonly string[],
  switches: ReadonlySet<string>,
  words: readonly string[],
): string[] {
  const given: string[] = []
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? ''
    // What follows a bare -- is no flag.
    if (argument === '--') return [...given, ...argv.slice(at)]
    const [, no, name = ''] = /^--(no-)?(.+)$/s.exec(argument) ?? []
    const next = argv[at + 1]
    if (!switches.has(name)) given.push(argument)
    else if (no !== undefined) given.push(`--${name}=off`)
    else if (next !== undefined && words.includes(next)) {
      given.push(`--${name}=${next}`)
      at += 1
    } else given.push(`--${name}=on`)
  }
  return given
}
