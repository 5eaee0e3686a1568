import { createHmac } from 'node:crypto'

/**
 * The three headers of Standard Webhooks 1.0.0. While a secret is rotated there is a signature for each.
 *
 * @param message `id` is the same in each try, `atMs` the time of this try
 */
export function signatureHeaders(
  secrets: readonly string[],
  message: { readonly id: string; readonly atMs: number; readonly body: string },
): Record<string, string> {
  const timestamp = Math.floor(message.atMs / 1000)
  const signed = `${message.id}.${timestamp}.${message.body}`
  const signatures = secrets.map((secret) => {
    return `v1,${createHmac('sha256', keyOf(secret)).update(signed).digest('base64')}`
  })
  return {
    'webhook-id': message.id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signatures.join(' '),
  }
}

function keyOf(secret: string): Buffer {
  return Buffer.from(secret.slice('whsec_'.length), 'base64')
}
