const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' }

/**
 * A name on one line: control characters, which would move a terminal's cursor or end the line, are written as escapes.
 * Everything else, such as emoji, stays as it is.
 */
export function printable(name: string): string {
  return name.replace(/[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\\]/gu, (character) => {
    return SHORT[character] ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
  })
}

/** Bytes for people: `512 B`, `1.5 MiB`. */
export function shownBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const count = bytes / 1024 ** power
  return `${power === 0 ? Math.round(count) : count.toFixed(1)} ${units[power]}`
}

/** A duration for people: `45s`, `3m 20s`, `2h 5m`. */
export function shownSeconds(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole}s`
  if (whole < 3_600) return `${Math.floor(whole / 60)}m ${whole % 60}s`
  return `${Math.floor(whole / 3_600)}h ${Math.floor((whole % 3_600) / 60)}m`
}

/** What an error says in one line. */
export function reasonOfSystem(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
