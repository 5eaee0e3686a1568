const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB']
const STEP = 1_024
const SPANS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'always', style: 'short' })
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

/** Bytes with three digits, in units of 1024 as Uppy counts them: `4.2 MB`. */
export function bytes(count: number): string {
  let value = count
  let unit = 0
  // 999.5 would be shown as 1000.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= STEP
    unit += 1
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1
  return `${value.toFixed(digits).replace(/\.0$/, '')} ${UNITS[unit]}`
}

/** Bytes a second: `12 MB/s`. */
export function speed(bytesPerSecond: number): string {
  return `${bytes(bytesPerSecond)}/s`
}

/** A whole percentage that is 100 only when all is there. */
export function percent(part: number, whole: number): string {
  return `${whole === 0 ? 100 : Math.floor((part / whole) * 100)} %`
}

/** How long ago a time (ISO 8601) was: `5 min. ago`. */
export function age(iso: string, nowMs = Date.now()): string {
  const seconds = Math.round((Date.parse(iso) - nowMs) / 1000)
  const [unit, length] = SPANS.find(([, span]) => Math.abs(seconds) >= span) ?? []
  if (unit === undefined || length === undefined) return 'just now'
  return RELATIVE.format(Math.trunc(seconds / length), unit)
}

/** A time in the reader's own way of writing it. */
export function date(iso: string): string {
  return DATE.format(new Date(iso))
}

/** Both ends of a digest: enough to tell two apart at a glance. */
export function shortDigest(hex: string): string {
  return `${hex.slice(0, 8)}…${hex.slice(-8)}`
}

/** The hex of a Repr-Digest's SHA-256 (RFC 9530); undefined where it has none. */
export function sha256Of(reprDigest: string | null): string | undefined {
  const base64 = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):/.exec(reprDigest ?? '')?.[1]
  if (base64 === undefined) return undefined
  return Array.from(atob(base64), (byte) => byte.charCodeAt(0).toString(16).padStart(2, '0')).join('')
}
