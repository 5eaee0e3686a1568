import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { DraftParts } from '../../server/s3/draft-parts.js'
import { FileBody } from '../../server/s3/file-body.js'

const test = suite('the parts of a draft')

const PART_BYTES = 10
const MOST_WAITING = 3 * PART_BYTES

/** An upload whose parts are sent at once and stored when the test says so: at most two are under way, as in the real one. */
class Place {
  /** Where each part ends that was sent. */
  readonly sent: number[] = []
  readonly #answers: { readonly stored: Promise<void>; readonly answer: () => void }[] = []
  #position = 0
  #failure: Error | undefined
  /** So many parts are not sent, as their multipart upload was gone. */
  gone = 0
  readonly spool = { to: 0, body: () => new FileBody([]), release: async () => {} }
  readonly parts: DraftParts

  constructor() {
    const place = this
    const assembly = {
      get position() {
        return place.#position
      },
      underWay: {
        get next() {
          return { position: place.#position + place.#answers.length * PART_BYTES, number: 1 }
        },
        get isEmpty() {
          return place.#answers.length === 0 && !place.#failure
        },
        ended: () => place.#ended(),
        forget: () => {
          place.#failure = undefined
        },
      },
      nextPartBytes: () => PART_BYTES,
      addPart: () => place.#addPart(),
      settle: async () => {
        await place.#ended()
        place.#throwFailure()
      },
      refresh: () => place.#ended(),
    }
    let work: Promise<unknown> = Promise.resolve()
    this.parts = new DraftParts({
      assembly,
      spool: this.spool,
      digest: { noted: () => undefined, heldFrom: (position) => position },
      inOrder: (step) => {
        const done = work.then(step)
        work = done.catch(() => {})
        return done
      },
    })
  }

  /** So many bytes came, and stand in the scratch folder. */
  async come(to: number): Promise<void> {
    this.spool.to = to
    this.parts.send(to)
    await turns()
  }

  /** S3 answers for the part that was sent first, and the ledger has it. */
  async answer(): Promise<void> {
    this.#position += PART_BYTES
    this.#answers.shift()?.answer()
    await turns()
  }

  /** The part that was sent first fails, and ends the one behind it. */
  async fail(error: Error): Promise<void> {
    this.#failure = error
    for (const { answer } of this.#answers.splice(0)) answer()
    await turns()
  }

  async #addPart(): Promise<void> {
    this.#throwFailure()
    if (this.gone > 0) {
      this.gone -= 1
      return
    }
    const before = this.#answers.at(-1)?.stored
    let answer = (): void => {}
    const stored = new Promise<void>((resolve) => {
      answer = resolve
    })
    this.sent.push(this.#position + (this.#answers.length + 1) * PART_BYTES)
    this.#answers.push({ stored, answer })
    await before
    this.#throwFailure()
  }

  async #ended(): Promise<void> {
    await Promise.all(this.#answers.map(({ stored }) => stored))
  }

  #throwFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure) throw failure
  }
}

/** Everything that is ready runs. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** `room`, and whether it has resolved or rejected. */
function room(place: Place): { state: string } {
  const seen = { state: 'waits' }
  place.parts
    .room(async () => {})
    .then(
      () => {
        seen.state = 'has room'
      },
      (error: Error) => {
        seen.state = error.message
      },
    )
  return seen
}

test('a part is sent once all its bytes came, but the last bytes of the upload are left to its end', async () => {
  const place = new Place()
  place.parts.length = 2 * PART_BYTES
  await place.come(PART_BYTES - 1)
  assert.equal(place.sent, [])
  await place.come(PART_BYTES)
  assert.equal(place.sent, [10])
  await place.come(2 * PART_BYTES)
  assert.equal(place.sent, [10])
  const all = place.parts.sendAll(true)
  await turns()
  await place.answer()
  await place.answer()
  await all
  assert.equal(place.sent, [10, 20])
})

test('a part that becomes whole while S3 answers for the one before is sent at once', async () => {
  const place = new Place()
  await place.come(PART_BYTES)
  await place.come(PART_BYTES + 1)
  assert.equal(place.sent, [10])
  await place.come(2 * PART_BYTES)
  assert.equal(place.sent, [10, 20])
})

test('the sender waits while more than three parts are not stored, and goes on as soon as one is', async () => {
  const place = new Place()
  await place.come(MOST_WAITING + 1)
  const seen = room(place)
  await turns()
  assert.is(seen.state, 'waits')
  assert.equal(place.sent, [10, 20])
  await place.answer()
  assert.is(seen.state, 'has room')
  assert.equal(place.sent, [10, 20, 30])
})

test('a part that could not be stored ends the wait of the sender, and is sent again with the next body', async () => {
  const place = new Place()
  await place.come(MOST_WAITING + 1)
  const seen = room(place)
  await turns()
  await place.fail(new Error('S3 is away'))
  assert.is(seen.state, 'S3 is away')
  assert.equal(place.sent, [10, 20])
  place.parts.begin()
  await place.come(MOST_WAITING + 1)
  assert.equal(place.sent, [10, 20, 10, 20])
})

test('parts that were not sent, as their multipart upload was gone, are sent before the end', async () => {
  const place = new Place()
  place.gone = 2
  place.spool.to = 2 * PART_BYTES
  place.parts.writtenTo = 2 * PART_BYTES
  const all = place.parts.sendAll(false)
  await turns()
  await place.answer()
  await place.answer()
  await all
  assert.equal(place.sent, [10, 20])
})

test.run()
