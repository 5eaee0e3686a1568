/** The text whose UTF-8 a Base64 has, in either alphabet; undefined where it is none. */
export function textIn(base64: string): string | undefined {
  try {
    const binary = atob(base64.replaceAll('-', '+').replaceAll('_', '/'))
    return new TextDecoder().decode(Uint8Array.from(binary, (byte) => byte.charCodeAt(0)))
  } catch {
    return undefined
  }
}
