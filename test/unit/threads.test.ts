import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Threads, threadCount } from '../../server/files/threads.js'
import { KEPT, type UploadTask } from '../../server/files/writer-tasks.js'

const test = suite('threads')

const BLOCK = 1000

/** A thread whose tasks the test ends. */
class FakeThread {
  readonly asked: string[] = []
  readonly #ends: ((kept: number) => void)[] = []

  ask<Answer>(task: UploadTask, keeps: (kept: number) => void = () => {}): Promise<Answer> {
    this.asked.push(`${task.kind} ${task.id}`)
    this.#ends.push(keeps)
    return new Promise(() => {})
  }

  /** Ends the task that was asked first, and keeps so much of its upload. */
  end(kept: number): void {
    this.#ends.shift()?.(kept)
  }

  async close(): Promise<void> {}
}

function place() {
  const [a, b] = [new FakeThread(), new FakeThread()]
  const threads = new Threads([a, b], BLOCK)
  const ask = (
    kind: 'open' | 'create' | 'forget' | 'append' | 'join' | 'prove',
    id: string,
    bytes = 0,
  ): void => {
    const upload = { id, path: id, sidecarPath: '', sidecarText: '', durable: false, bytes, position: 0 }
    const read = { partPath: '', from: 0, to: 0, checkpoints: [], budgetBytes: bytes }
    const append = {
      digest: 'none',
      isChecked: false,
      rests: false,
      begins: false,
      blocks: [0, bytes],
    } as const
    void threads.ask({ kind, ...upload, ...read, ...append })
  }
  return { a, b, threads, ask }
}

test('"default: cores − 1, at least 1, at most 4"', () => {
  const counts = [1, 2, 3, 5, 64].map((cores) => threadCount('auto', cores))
  assert.equal(counts, [1, 1, 2, 4, 4])
  assert.is(threadCount(7, 2), 7)
})

test('an upload goes to the thread with the fewest bytes under way', () => {
  const { a, b, ask } = place()
  ask('append', 'big', 5 * BLOCK)
  ask('append', 'small', 3 * BLOCK)
  ask('append', 'next', 1)
  assert.equal([a.asked, b.asked], [['append big'], ['append small', 'append next']])
  b.end(KEPT.nothing)
  ask('append', 'last', 1)
  assert.is(b.asked.at(-1), 'append last')
})

for (const kind of ['join', 'prove'] as const) {
  test(`bytes that are read are under way too: ${kind}`, () => {
    const { a, b, ask } = place()
    ask(kind, 'long', 5 * BLOCK)
    for (const id of ['1', '2', '3']) ask('append', id, 1)
    assert.equal([a.asked.length, b.asked.length], [1, 3])
  })
}

test('uploads that begin at once are spread, also while none of their bytes is under way', () => {
  const { a, b, ask } = place()
  for (const id of ['1', '2', '3', '4']) ask('open', id)
  assert.equal(
    [a.asked, b.asked],
    [
      ['open 1', 'open 3'],
      ['open 2', 'open 4'],
    ],
  )
  for (const thread of [a, a, b, b]) thread.end(KEPT.file)
  ask('open', '5')
  ask('open', '6')
  assert.equal([a.asked.at(-1), b.asked.at(-1)], ['open 5', 'open 6'])
})

test('an upload stays with its thread while that keeps its digest, also where another one is idle', () => {
  const { a, b, ask } = place()
  ask('append', 'mine', 1)
  a.end(KEPT.digest)
  ask('append', 'other', 9 * BLOCK)
  ask('append', 'mine', 1)
  assert.equal(a.asked, ['append mine', 'append other', 'append mine'])
  assert.equal(b.asked, [])
})

test('an upload stays with its thread while a task of it is under way, and is free once nothing of it is kept', () => {
  const { a, b, ask } = place()
  ask('open', 'mine')
  ask('open', 'other')
  ask('forget', 'mine')
  a.end(KEPT.file)
  ask('open', 'busy')
  ask('append', 'mine', 1)
  assert.equal(a.asked, ['open mine', 'forget mine', 'open busy', 'append mine'])
  for (const kept of [KEPT.nothing, KEPT.file, KEPT.nothing]) a.end(kept)
  b.end(KEPT.nothing)
  ask('append', 'mine', 1)
  assert.is(b.asked.at(-1), 'append mine')
})

test('an upload stays with its thread while one of its tasks is under way, also once another has left nothing', () => {
  const { a, b, ask } = place()
  ask('forget', 'mine')
  ask('forget', 'mine')
  a.end(KEPT.nothing)
  ask('append', 'mine', 1)
  assert.is(a.asked.at(-1), 'append mine')
  for (const _ of [1, 2]) a.end(KEPT.nothing)
  ask('append', 'other', 1)
  ask('append', 'mine', 1)
  assert.is(b.asked.at(-1), 'append mine')
})

test('the first thread makes all files: an upload counts on a folder that another one may not have flushed', () => {
  const { a, b, ask } = place()
  ask('append', 'big', 5 * BLOCK)
  ask('create', 'new')
  assert.equal([a.asked, b.asked], [['append big', 'create new'], []])
})

test('a removal of many goes to each thread that has some of them, and is not split for the others', () => {
  const { threads, ask } = place()
  ask('open', '1')
  ask('open', '2')
  ask('open', '3')
  assert.equal(threads.divide(['1', '2', '3', '4', '5']), [
    ['1', '3'],
    ['2', '4', '5'],
  ])
  assert.equal(threads.divide([]), [])
})

test.run()
