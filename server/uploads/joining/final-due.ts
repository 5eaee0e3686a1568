import type { Terms } from '../../model/next-step.js'

/** A final upload whose parts never got a byte is given so long at most. */
const WITHOUT_BYTES_MS = 3_600_000

/** When a final upload that waits for its parts expires; milliseconds since 1970. */
export function finalDueAtMs(
  final: { readonly touchedAtMs: number; readonly hasBytes: boolean },
  { expireAfterMs }: Pick<Terms, 'expireAfterMs'>,
): number {
  return final.touchedAtMs + (final.hasBytes ? expireAfterMs : Math.min(expireAfterMs, WITHOUT_BYTES_MS))
}
