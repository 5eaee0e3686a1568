import * as assert from 'uvu/assert'
import { createSniffer } from '../../hooks/types/sniff.js'
import { SNIFF_BYTES } from '../../server/model/sniff-bytes.js'
import type { SniffVerdict } from '../../server/model/sniffer.js'
import { type Bytes, bytes } from '../fixtures/type-files.js'

export * from '../fixtures/type-files.js'

export interface Options {
  readonly declared?: string | null
  readonly filename?: string
  readonly accept?: readonly string[]
}

/** What is decided at 512 bytes, or at the end of a shorter file. */
export function sniff(file: Bytes, options: Options = {}): Promise<SniffVerdict> {
  const all = typeof file === 'string' ? Buffer.from(file) : bytes(file)
  return createSniffer(options.accept ?? [])({
    head: all.subarray(0, SNIFF_BYTES),
    whole: all.length < SNIFF_BYTES,
    accept: null,
    declaredType: options.declared ?? null,
    filename: options.filename ?? null,
  })
}

export async function keeps(type: string, file: Bytes, options: Options = {}): Promise<void> {
  const verdict = await sniff(file, options)
  assert.equal(verdict, { accepted: true, type }, `${JSON.stringify(options)} ${describe(file)}`)
}

export async function refuses(reason: RegExp, file: Bytes, options: Options = {}): Promise<void> {
  const verdict = await sniff(file, options)
  assert.match(verdict.accepted ? `kept as ${verdict.type}` : verdict.reason, reason, describe(file))
}

function describe(file: Bytes): string {
  return JSON.stringify(bytes(file).subarray(0, 40).toString('latin1'))
}
