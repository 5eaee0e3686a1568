import { type Check, Skip } from '../check.js'
import { lengthHeader, OFFSET_TYPE, VERSION } from '../client.js'
import { expect, expectHeader, expectPresent, expectStatus } from '../expect.js'

const INTERPRETED = {
  section: 'Core › X-HTTP-Method-Override',
  level: 'MUST',
  sentence:
    "The X-HTTP-Method-Override request header MUST be a string which MUST be interpreted as the request's method by the Server, if the header is presented.",
} as const

const IGNORED = {
  section: 'Core › X-HTTP-Method-Override',
  level: 'MUST',
  sentence: 'The actual method of the request MUST be ignored.',
} as const

/** X-HTTP-Method-Override. */
export const override: readonly Check[] = [
  {
    ...INTERPRETED,
    title: 'POST that says PATCH is a PATCH',
    async run(client) {
      const url = await client.create(10)
      const lines = [VERSION, OFFSET_TYPE, 'Upload-Offset: 0', 'X-HTTP-Method-Override: PATCH']
      const answer = await client.ask('POST', url, lines, 'hello')
      expectStatus(answer, 204)
      expectHeader(answer, 'Upload-Offset', '5')
      expectHeader(await client.head(url), 'Upload-Offset', '5')
    },
  },
  {
    ...INTERPRETED,
    title: 'POST that says DELETE is a DELETE',
    async run(client) {
      if (!client.offers('termination')) throw new Skip('the server has no termination')
      const url = await client.create(10)
      expectStatus(await client.ask('POST', url, [VERSION, 'X-HTTP-Method-Override: DELETE']), 204)
      const after = await client.head(url)
      expect(!after.ok, 'no such upload any more', after)
    },
  },
  {
    ...IGNORED,
    title: 'PATCH that says HEAD stores nothing',
    async run(client) {
      const url = await client.create(10)
      const connection = await client.connect(url)
      const lines = [
        VERSION,
        OFFSET_TYPE,
        'Upload-Offset: 0',
        'Content-Length: 5',
        'X-HTTP-Method-Override: HEAD',
      ]
      await connection.write(`${client.written('PATCH', url, lines)}hello`)
      // Read as an answer to HEAD: this check does not ask whether it has a body.
      const answer = await connection.answer('HEAD', 'PATCH that says HEAD')
      expectHeader(answer, 'Upload-Offset', '0')
      expectHeader(await client.head(url), 'Upload-Offset', '0')
    },
  },
  {
    ...IGNORED,
    title: 'POST that says OPTIONS creates nothing',
    async run(client) {
      await client.create(10)
      const lines = [VERSION, lengthHeader(10), 'X-HTTP-Method-Override: OPTIONS']
      const answer = await client.ask('POST', client.target.url, lines)
      expect(answer.status !== 201 && answer.get('Location') === undefined, 'no upload created', answer)
    },
  },
  {
    ...INTERPRETED,
    title: 'GET and POST that say OPTIONS are OPTIONS, also where there is no upload',
    async run(client) {
      const url = await client.create(10)
      for (const each of [client.target.url, url, client.unknownLike(url)]) {
        for (const method of ['GET', 'POST']) {
          const answer = await client.ask(method, each, [VERSION, 'X-HTTP-Method-Override: OPTIONS'])
          expectStatus(answer, 200, 204)
          expectPresent(answer, 'Tus-Version')
        }
      }
    },
  },
  {
    ...IGNORED,
    title: 'OPTIONS that says PATCH is a PATCH',
    async run(client) {
      const url = await client.create(10)
      const lines = [VERSION, OFFSET_TYPE, 'Upload-Offset: 0', 'X-HTTP-Method-Override: PATCH']
      const answer = await client.ask('OPTIONS', url, lines, 'hello')
      expectStatus(answer, 204)
      expectHeader(answer, 'Upload-Offset', '5')
      expectHeader(await client.head(url), 'Upload-Offset', '5')
    },
  },
  {
    ...IGNORED,
    title: 'OPTIONS that says HEAD is a HEAD',
    async run(client) {
      const url = await client.begin(10, 'hello')
      const connection = await client.connect(url)
      await connection.write(client.written('OPTIONS', url, [VERSION, 'X-HTTP-Method-Override: HEAD']))
      const answer = await connection.answer('HEAD', 'OPTIONS that says HEAD')
      expectHeader(answer, 'Upload-Offset', '5')
    },
  },
  {
    ...IGNORED,
    title: 'POST on the creation URL that says PATCH creates nothing',
    async run(client) {
      await client.create(10)
      const lines = [
        VERSION,
        OFFSET_TYPE,
        lengthHeader(10),
        'Upload-Offset: 0',
        'X-HTTP-Method-Override: PATCH',
      ]
      const answer = await client.ask('POST', client.target.url, lines, 'hello')
      expect(answer.status !== 201 && answer.get('Location') === undefined, 'no upload created', answer)
    },
  },
]
