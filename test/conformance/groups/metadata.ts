import type { Answer } from '../answer.js'
import { expect, expectPresent } from '../expect.js'

const BASE64 = /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/
const KEY = /^[\x21-\x2b\x2d-\x7e]+$/

/** The pairs of an Upload-Metadata by key; undefined where it is not as the specification says. */
export function pairsOf(text: string): ReadonlyMap<string, string> | undefined {
  const pairs = new Map<string, string>()
  for (const member of text.split(',')) {
    // HTTP lets a list have spaces around its commas, and an empty value may have lost its space.
    const [key = '', value = '', ...more] = member.trim().split(' ')
    if (!KEY.test(key) || !BASE64.test(value) || more.length > 0 || pairs.has(key)) return undefined
    pairs.set(key, value)
  }
  return pairs
}

/** The answer has these pairs, in whatever order, an empty value with its space or without. */
export function expectPairs(answer: Answer, given: string): void {
  const told = pairsOf(expectPresent(answer, 'Upload-Metadata'))
  const wanted = pairsOf(given) ?? new Map()
  const same = told?.size === wanted.size && [...wanted].every(([key, value]) => told.get(key) === value)
  expect(same, `Upload-Metadata: ${given}`, answer)
}
