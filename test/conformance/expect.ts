import type { Answer } from './answer.js'
import { Failure } from './check.js'

/** Throws a Failure with both sides, unless `holds`. */
export function expect(holds: boolean, expected: string, seen: Answer | string): void {
  if (!holds) throw new Failure(expected, String(seen))
}

/** The status is one of these. */
export function expectStatus(answer: Answer, ...statuses: readonly number[]): void {
  expect(statuses.includes(answer.status), statuses.join(' or '), answer)
}

/** Some status from 400 to 499: the specification names none, or leaves the choice. */
export function expectRefused(answer: Answer, why: string): void {
  expect(answer.refuses, `any 4xx for ${why}`, answer)
}

/** The header is present once, with this value. */
export function expectHeader(answer: Answer, name: string, value: string): void {
  expect(answer.get(name) === value, `${name}: ${value}`, answer)
}

/** The header is present. Returns its value. */
export function expectPresent(answer: Answer, name: string): string {
  const value = answer.get(name)
  if (value === undefined) throw new Failure(`a header ${name}`, String(answer))
  return value
}

/** The header is absent. */
export function expectAbsent(answer: Answer, name: string): void {
  expect(answer.get(name) === undefined, `no header ${name}`, answer)
}

/** The header is a whole number in decimal digits. Returns it. */
export function expectNumber(answer: Answer, name: string): number {
  const value = expectPresent(answer, name)
  expect(/^\d+$/.test(value), `${name} in decimal digits`, answer)
  return Number(value)
}

/** The header is a list without empty or repeated members. Returns them. */
export function expectList(answer: Answer, name: string): readonly string[] {
  const members = expectPresent(answer, name)
    .split(',')
    .map((member) => member.trim())
  const wellFormed = members.every((member) => /^[^\s,;]+$/.test(member))
  expect(wellFormed && new Set(members).size === members.length, `${name} as a comma-separated list`, answer)
  return members
}

/** Calls `look` until it returns a value; undefined after `ms`. For what a server may do after its answer. */
export async function eventually<T>(ms: number, look: () => Promise<T | undefined>): Promise<T | undefined> {
  const until = Date.now() + ms
  for (;;) {
    const seen = await look()
    if (seen !== undefined || Date.now() > until) return seen
    await pause(50)
  }
}

/** Resolves after `ms` milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
