import { readFileSync } from 'node:fs'

/** Node's flags of `npm start`, so that what is tested and measured is what is shipped. */
export function shippedNodeFlags(): string[] {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  const start = /"start": "exec node (.*)dist\/server\/main\.js"/.exec(text)?.[1]
  if (start === undefined) throw new Error('package.json starts the server in another way than the tests')
  return start.split(' ').filter((flag) => flag !== '')
}
