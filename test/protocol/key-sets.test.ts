import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type TestApp, withApp } from '../helpers/app-place.js'
import { askOf } from '../helpers/routes.js'
import { eventually, locationOf, type TestAnswer } from '../helpers/server.js'
import { bearer, inSeconds, joined, KeyServer, newKey, signed, type TestKey } from '../helpers/tokens.js'

const test = suite('key sets')

type Create = (token: string) => Promise<TestAnswer>

/** Runs `work` on a server whose keys are those of a key server. */
async function on(
  keys: readonly TestKey[],
  work: (create: Create, keyServer: KeyServer, app: TestApp) => Promise<void>,
): Promise<void> {
  const keyServer = await KeyServer.start(...keys.map(({ publicJwk }) => publicJwk))
  try {
    await withApp({ authJwks: keyServer.url }, async (app) => {
      const create: Create = (token) =>
        askOf(() => app.origin)('POST', '/files', { 'Upload-Length': '5', ...bearer(token) })
      await work(create, keyServer, app)
    })
  } finally {
    keyServer.close()
  }
}

for (const algorithm of ['RS256', 'PS384', 'ES256', 'ES512', 'EdDSA']) {
  test(`a token of ${algorithm} is taken, and its key is loaded once`, async () => {
    const key = await newKey('one', algorithm)
    await on([key], async (create, keyServer) => {
      const answers = await Promise.all(
        [1, 2, 3].map(async (n) => create(await key.sign({ sub: `user ${n}` }))),
      )
      assert.equal(
        answers.map(({ status }) => status),
        [201, 201, 201],
      )
      assert.is(keyServer.asked, 1)
    })
  })
}

test('"The kind of key fixes the algorithms": a public key is no secret, and alg none is no signature', async () => {
  const key = await newKey('one', 'RS256')
  await on([key], async (create) => {
    const asSecret = JSON.stringify(key.publicJwk)
    const forged = [
      await signed({ sub: 'ann' }, asSecret),
      await signed({ sub: 'ann' }, String(key.publicJwk.n), 'HS512'),
      joined({ alg: 'none', kid: 'one' }, { sub: 'ann' }),
      joined({ alg: 'HS256', kid: 'one', jwk: key.publicJwk }, { sub: 'ann' }, 'AAAA'),
      await (await newKey('one', 'RS256')).sign({ sub: 'ann' }),
      await (await newKey('one', 'ES256')).sign({ sub: 'ann' }),
    ]
    for (const token of forged) {
      const { status, text } = await create(token)
      assert.is(status, 401)
      assert.match(text, /^token_invalid: /)
    }
    assert.is((await create(await key.sign({ sub: 'ann' }))).status, 201)
  })
})

test('a key that is new in the set is found with its first token, and a key that left it counts no more then', async () => {
  const [old, fresh] = [await newKey('old'), await newKey('fresh')]
  await on([old], async (create, keyServer) => {
    assert.is((await create(await old.sign({ sub: 'ann' }))).status, 201)
    keyServer.show(fresh.publicJwk)
    assert.is((await create(await old.sign({ sub: 'ann' }))).status, 201, 'nobody has asked for the set')
    assert.is((await create(await fresh.sign({ sub: 'ann' }))).status, 201)
    assert.is((await create(await old.sign({ sub: 'ann' }))).status, 401)
    assert.is(keyServer.asked, 2)
  })
})

test('tokens with unknown keys do not have the set loaded with each of them', async () => {
  const [key, stranger] = [await newKey('one'), await newKey('two')]
  await on([key], async (create, keyServer) => {
    assert.is((await create(await key.sign({ sub: 'ann' }))).status, 201)
    for (let n = 0; n < 20; n++)
      assert.is((await create(await stranger.sign({ sub: 'ann' }, `kid-${n}`))).status, 401)
    assert.ok(keyServer.asked <= 3, `${keyServer.asked} times`)
  })
})

test('where a set has several keys and a token names none, each is tried', async () => {
  const [one, two] = [await newKey('one'), await newKey('two')]
  const unnamed = (key: TestKey): TestKey => {
    const { kid: _kid, ...publicJwk } = key.publicJwk
    return { ...key, publicJwk }
  }
  await on([unnamed(one), unnamed(two)], async (create) => {
    assert.is((await create(await two.sign({ sub: 'ann' }, ''))).status, 201)
    assert.is((await create(await (await newKey('two')).sign({ sub: 'ann' }, ''))).status, 401)
  })
})

/** What a key server does that is in trouble. */
const TROUBLE: Readonly<Record<string, (keyServer: KeyServer, stolen: TestKey) => void>> = {
  hangs: (keyServer) => {
    keyServer.answer = () => {}
  },
  'hangs within its answer': (keyServer) => {
    keyServer.answer = (_request, response) => void response.write('{"keys":[')
  },
  'sends without an end': (keyServer) => {
    keyServer.answer = (_request, response) => {
      const more = (): void => {
        if (!response.destroyed && response.write(' '.repeat(65_536))) setImmediate(more)
      }
      response.on('drain', more)
      more()
    }
  },
  'answers 500': (keyServer) => {
    keyServer.answer = (_request, response) => void response.writeHead(500).end('{"keys":[]}')
  },
  'sends no JSON': (keyServer) => {
    keyServer.answer = (_request, response) => void response.end('<html>')
  },
  'sends another JSON': (keyServer) => {
    keyServer.answer = (_request, response) => void response.end('{"keys":"none"}')
  },
  'redirects to a set with the key': (keyServer, stolen) => {
    keyServer.answer = ({ url }, response) => {
      if (url === '/stolen') response.end(JSON.stringify({ keys: [stolen.publicJwk] }))
      else response.writeHead(302, { Location: '/stolen' }).end()
    }
  },
}

for (const [name, begin] of Object.entries(TROUBLE)) {
  test(`auth_unavailable: where the key server ${name}, an unknown key gets 503, and known keys go on to count`, async () => {
    const [key, stranger] = [await newKey('one'), await newKey('two')]
    await on([key], async (create, keyServer, app) => {
      const location = locationOf(await create(await key.sign({ sub: 'ann' })))
      begin(keyServer, stranger)
      const waiting = stranger.sign({ sub: 'ann' }).then(create)
      for (let n = 0; n < 5; n++) assert.is((await create(await key.sign({ sub: 'ann' }))).status, 201)
      const { status, text } = await waiting
      assert.is(status, 503)
      assert.match(text, /^auth_unavailable: /)
      assert.is((await create(await key.sign({ sub: 'ann' }))).status, 201)
      // A client that sees HEAD fail with 5xx begins again at byte 0.
      const head = await askOf(() => app.origin)(
        'HEAD',
        location,
        bearer(await stranger.sign({ sub: 'ann' })),
      )
      assert.is(head.status, 423)
      assert.match(String(head.headers['retry-after']), /^\d+$/)
    })
  })
}

test('a key server that is down at first and then up does not need a restart', async () => {
  const key = await newKey('one')
  await on([key], async (create, keyServer) => {
    keyServer.answer = (_request, response) => void response.writeHead(503).end()
    assert.is((await create(await key.sign({ sub: 'ann', exp: inSeconds(600) }))).status, 503)
    keyServer.show(key.publicJwk)
    await eventually(30_000, 'the keys', async () => {
      return (await create(await key.sign({ sub: 'ann' }))).status === 201 || undefined
    })
  })
})

test.run()
