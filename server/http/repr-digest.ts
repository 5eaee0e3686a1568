/** The value of Repr-Digest (RFC 9530) for a SHA-256 given in hex. */
export function reprDigest(sha256: string): string {
  return `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`
}
