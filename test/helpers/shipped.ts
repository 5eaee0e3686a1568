import { readFileSync } from 'node:fs'

const OWN_MANIFEST = new URL('../../../package.json', import.meta.url)

/** Node's flags of `npm start`, so that what is tested and measured is what is shipped. */
export function shippedNodeFlags(manifest: string | URL = OWN_MANIFEST): string[] {
  const text = readFileSync(manifest, 'utf8')
  const start = /"start": "exec node (.*)dist\/server\/main\.js"/.exec(text)?.[1]
  if (start === undefined) throw new Error('package.json starts the server in another way than the tests')
  return start.split(' ').filter((flag) => flag !== '')
}
