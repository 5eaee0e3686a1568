import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HeldTokens } from '../../server/cluster/held-tokens.js'
import { SharedUploads } from '../../server/cluster/shared-uploads.js'
import { Turns } from '../../server/cluster/turns.js'
import type { ClusterLocks, Held } from '../../server/model/cluster.js'

/** Locks of which each is free until it is taken; what happens is noted. */
function setUp({
  isOutdated = false,
  isInMemory = true,
  failure = undefined as Error | undefined,
  dropping = undefined as Error | undefined,
} = {}) {
  const seen: string[] = []
  const taken = new Set<string>()
  const tokens = new HeldTokens()
  const note = (what: string): void => void seen.push(`${what}, token ${tokens.of('x') ?? 'none'}`)
  const tryAcquire = async (id: string): Promise<Held | undefined> => {
    if (taken.has(id)) return undefined
    taken.add(id)
    return {
      token: 7,
      get isValid() {
        return taken.has(id)
      },
      release: async () => {
        note('released')
        taken.delete(id)
      },
    }
  }
  const locks: ClusterLocks = { tryAcquire, acquire: tryAcquire }
  const shared = new SharedUploads({
    ...{ locks, tokens },
    engine: {
      isOutdated: async (_id, is) => {
        if (failure) throw failure
        note(`asked, in memory ${is}`)
        return isOutdated
      },
      settle: (_id, offset, isLost) => note(`settled at ${offset}${isLost ? ', lost' : ''}`),
      dropDraft: async () => {
        note('draft dropped')
        if (dropping) throw dropping
      },
      forget: async () => note('digest dropped'),
    },
    uploads: {
      isInMemory: () => isInMemory,
      offsetOf: () => 5,
      forget: async () => note('forgotten'),
      saved: async () => note('saved'),
    },
    log: { info: () => {}, warn: () => {}, error: () => {} },
  })
  return { shared, tokens, seen, taken, locks }
}

test('what another node has changed is dropped before this node may write the upload, or take its memory for current', async () => {
  const { shared, tokens, seen } = setUp({ isOutdated: true })
  assert.ok(await shared.acquire('x', () => {}, 0))
  assert.equal(seen, [
    'asked, in memory true, token none',
    'forgotten, token none',
    'draft dropped, token none',
    'digest dropped, token none',
  ])
  assert.is(tokens.of('x'), 7)
})

test('what nobody has changed stays', async () => {
  const { shared, seen } = setUp()
  await shared.tryAcquire('x', () => {})
  assert.equal(seen, ['asked, in memory true, token none'])
})

test('what is to be saved of an upload is saved under its lock, and nothing is written after that', async () => {
  const { shared, tokens, seen } = setUp()
  const held = await shared.acquire('x', () => {}, 0)
  await held?.release()
  assert.equal(seen.slice(1), ['saved, token 7', 'settled at 5, token 7', 'released, token none'])
  assert.is(tokens.of('x'), undefined)
})

test('a lock is given back where it cannot be told what other nodes have changed', async () => {
  const { shared, tokens, taken } = setUp({ failure: new Error('away') })
  const error = await shared.acquire('x', () => {}, 0).catch((thrown: Error) => thrown.message)
  assert.is(error, 'away')
  assert.not(taken.has('x'))
  assert.is(tokens.of('x'), undefined)
})

test('what cannot be dropped is not taken for current the next time, and the digest goes all the same', async () => {
  const { shared, tokens, seen, taken } = setUp({ isOutdated: true, dropping: new Error('EIO') })
  const error = await shared.acquire('x', () => {}, 0).catch((thrown: Error) => thrown.message)
  assert.is(error, 'EIO')
  assert.equal(seen.slice(2), [
    'draft dropped, token none',
    'digest dropped, token none',
    'settled at undefined, lost, token none',
    'released, token none',
  ])
  assert.not(taken.has('x'))
  assert.is(tokens.of('x'), undefined)
})

test('after the lease is lost there is no token, and what memory has is not believed any more', async () => {
  const { shared, tokens, seen, taken } = setUp()
  const held = await shared.acquire('x', () => {}, 0)
  taken.delete('x')
  assert.is(tokens.of('x'), undefined)
  await held?.release()
  assert.ok(seen.includes('settled at 5, lost, token none'))
})

test('one node at a time does what goes over all uploads: others leave it, or wait for their turn', async () => {
  const { locks } = setUp()
  const [one, two] = [new Turns(locks), new Turns(locks)]
  const done: string[] = []
  await one.unlessTaken('walk', async () => {
    await two.unlessTaken('walk', async () => void done.push('left'))
    await two.unlessTaken('other', async () => void done.push('other'))
    let asked = 0
    await two.inTurn(
      'walk',
      async () => void done.push('too early'),
      () => ++asked > 3,
    )
    done.push('one')
  })
  await two.inTurn(
    'walk',
    async () => void done.push('two'),
    () => false,
  )
  assert.equal(done, ['other', 'one', 'two'])
})

test('who has a turn is told that another node may begin, as the lease was lost', async () => {
  const { locks, taken } = setUp()
  const seen: boolean[] = []
  await new Turns(locks).unlessTaken('walk', async (turn) => {
    seen.push(turn.isValid)
    taken.clear()
    seen.push(turn.isValid)
  })
  assert.equal(seen, [true, false])
})

test.run()
