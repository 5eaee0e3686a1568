import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { JoinPlan, type JoinStep, type Source } from '../../server/s3/join-plan.js'
import { LAST_NUMBER, LEAST_PART_BYTES, MOST_PART_BYTES } from '../../server/s3/part-size.js'

const MIB = 1024 * 1024
const GIB = 1024 * MIB
const test = suite('s3: plan of a join')

const sourceOf = (bytes: number, from = 0): Source => ({ key: `object of ${bytes}`, etag: 'e', from, bytes })

/** A step in short: what is copied, or gathered, with the number that it becomes a part of. */
const shortOf = (step: JoinStep): string =>
  step.kind === 'copy'
    ? `copy ${step.source.from}+${step.source.bytes} as ${step.number}`
    : `gather ${step.bytes} as ${step.number}`

/** The parts that a plan makes, in order; the last one is what is gathered at the end. */
function partsOf(plan: JoinPlan, steps: readonly JoinStep[]): number[] {
  const parts: number[] = []
  let gathered = 0
  for (const step of steps) {
    if (step.kind === 'copy') parts.push(step.source.bytes)
    else gathered += step.bytes
    if (step.kind === 'gather' && step.number !== null) parts.push(gathered)
    if (step.kind === 'copy' || step.number !== null) gathered = 0
  }
  assert.is(gathered, plan.gathered)
  return plan.gathered > 0 ? [...parts, plan.gathered] : parts
}

test('"5 MiB to 5 GiB": what is large enough is copied, and what is smaller is gathered with what follows', () => {
  const plan = new JoinPlan()
  const least = LEAST_PART_BYTES
  assert.equal(plan.steps([sourceOf(least)]).map(shortOf), [`copy 0+${least} as 1`])
  assert.equal(plan.steps([sourceOf(3)]).map(shortOf), ['gather 3 as null'])
  assert.equal(plan.steps([sourceOf(3 * least)]).map(shortOf), [
    `gather ${least - 3} as 2`,
    `copy ${least - 3}+${2 * least + 3} as 3`,
  ])
  assert.equal(plan.steps([sourceOf(9, 70)]).map(shortOf), ['gather 9 as null'])
  assert.equal([plan.gathered, plan.next], [9, 4])
})

test('what would be left too small to be copied is gathered, too', () => {
  const plan = new JoinPlan()
  const least = LEAST_PART_BYTES
  const steps = plan.steps([sourceOf(1), sourceOf(2 * least - 2), sourceOf(least)])
  assert.equal(steps.map(shortOf), [
    'gather 1 as null',
    `gather ${2 * least - 2} as 1`,
    `copy 0+${least} as 2`,
  ])
})

test('every part but the last has the size that S3 asks for, and no byte is lost, for any objects', () => {
  let seed = 7
  const random = (): number => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed / 2_147_483_647
  }
  for (let round = 0; round < 300; round++) {
    const plan = new JoinPlan()
    const sizes = Array.from({ length: 1 + Math.floor(random() * 30) }, () => {
      return Math.floor(random() ** 8 * 30 * GIB) + (random() < 0.3 ? 0 : LEAST_PART_BYTES - 2)
    })
    const parts = partsOf(
      plan,
      sizes.flatMap((bytes) => plan.steps([sourceOf(bytes)])),
    )
    const sum = (all: readonly number[]): number => all.reduce((total, bytes) => total + bytes, 0)
    assert.is(sum(parts), sum(sizes), `round ${round}`)
    assert.ok(
      parts.slice(0, -1).every((bytes) => bytes >= LEAST_PART_BYTES),
      `round ${round}`,
    )
    assert.ok(
      parts.every((bytes) => bytes <= MOST_PART_BYTES),
      `round ${round}`,
    )
  }
})

test('"10,000 parts": 5 TiB fit, of few objects or of many', () => {
  for (const [count, bytes] of [
    [1, 5 * 1024 * GIB],
    [1_300, 4 * GIB],
    [40_000, 128 * MIB],
    [900_000, 5.9 * MIB],
  ] as const) {
    const plan = new JoinPlan()
    for (let i = 0; i < count; i++) plan.steps([sourceOf(Math.floor(bytes))])
    assert.ok(plan.next <= LAST_NUMBER, `${count} of ${bytes} bytes need ${plan.next} parts`)
  }
})

test.run()
