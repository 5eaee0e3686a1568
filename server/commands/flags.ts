import { parseArgs } from 'node:util'
import { UsageError } from './usage-error.js'

/** The flags that a command has beside the server's settings: `true` for those with a value. */
type OwnFlags = Readonly<Record<string, { readonly hasValue: boolean }>>

interface Split {
  /** The values of the command's own flags; `''` for one without a value. */
  readonly own: ReadonlyMap<string, string>
  /** The other arguments, for the settings. */
  readonly rest: readonly string[]
}

/** Parts a command's own flags from those of the server's settings. Throws UsageError where a value is missing. */
export function splitFlags(args: readonly string[], flags: OwnFlags): Split {
  const options = Object.entries(flags).map(([name, { hasValue }]) => {
    return [name, { type: hasValue ? 'string' : 'boolean' }] as const
  })
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(options),
    strict: false,
    tokens: true,
  })
  const own = new Map<string, string>()
  const taken = new Set<number>()
  for (const token of tokens) {
    if (token.kind !== 'option' || !Object.hasOwn(flags, token.name)) continue
    const hasValue = flags[token.name]?.hasValue ?? false
    if (hasValue && token.value === undefined) throw new UsageError(`--${token.name} needs a value`)
    if (!hasValue && token.value !== undefined) throw new UsageError(`--${token.name} takes no value`)
    own.set(token.name, token.value ?? '')
    taken.add(token.index)
    if (hasValue && token.inlineValue === false) taken.add(token.index + 1)
  }
  return { own, rest: args.filter((_, index) => !taken.has(index)) }
}
