import type { Answer } from '../answer.js'
import { type Group, Skip, undecidable } from '../check.js'
import { type Client, lengthHeader } from '../client.js'
import { expect, expectPresent, expectStatus } from '../expect.js'

const EXPIRES = 'Expiration › Upload-Expires'

const FORM = {
  section: EXPIRES,
  level: 'MUST',
  sentence: 'The value of the Upload-Expires header MUST be in RFC 9110 datetime format.',
} as const

const LONGER = 'an upload expires later than a check may last'
const SILENT = 'the server does not say that such an upload expires'

/** Expiration. No check waits for it. */
export const expiration: Group = {
  name: 'expiration',
  checks: [
    {
      section: EXPIRES,
      level: 'MUST',
      sentence: 'This header MUST be included in every PATCH response if the upload is going to expire.',
      title: 'it is in the answers to the PATCHes of an upload that POST or HEAD says expires',
      async run(client) {
        const created = await client.post([lengthHeader(10)])
        expectStatus(created, 201)
        const url = client.locationOf(created)
        const head = await client.head(url)
        const first = await client.patch(url, 0, 'hel')
        const second = await client.patch(url, 3, 'lo')
        const answers = [created, head, first, second]
        if (answers.every((answer) => answer.get('Upload-Expires') === undefined)) throw new Skip(SILENT)
        for (const answer of [first, second]) expectPresent(answer, 'Upload-Expires')
      },
    },
    {
      section: EXPIRES,
      level: 'MUST',
      sentence:
        'If the expiration is known at the creation, the Upload-Expires header MUST be included in the response to the initial POST request.',
      title: 'it is in the answer to a POST after which HEAD has it',
      async run(client) {
        const created = await client.post([lengthHeader(10)])
        expectStatus(created, 201)
        const head = await client.head(client.locationOf(created))
        if (created.get('Upload-Expires') === undefined && head.get('Upload-Expires') === undefined)
          throw new Skip('whether the server knows the expiration at the creation is not seen from outside')
        expectPresent(created, 'Upload-Expires')
      },
    },
    {
      ...FORM,
      title: 'as Sun, 06 Nov 1994 08:49:37 GMT in the answer to POST',
      async run(client) {
        const answer = await client.post([lengthHeader(10)])
        expectStatus(answer, 201)
        expectDate(answer)
      },
    },
    {
      ...FORM,
      title: 'as Sun, 06 Nov 1994 08:49:37 GMT in the answer to PATCH',
      async run(client) {
        const answer = await client.patch(await client.create(10), 0, 'hello')
        expect(answer.ok, 'an answer of 2xx', answer)
        expectDate(answer)
      },
    },
    {
      ...FORM,
      title: 'as Sun, 06 Nov 1994 08:49:37 GMT in the answer to HEAD',
      async run(client) {
        expectDate(await begunAndLookedAt(client))
      },
    },
    undecidable(
      {
        section: EXPIRES,
        level: 'SHOULD',
        sentence:
          'If a Client does attempt to resume an upload which has since been removed by the Server, the Server SHOULD respond with the 404 Not Found or 410 Gone status.',
        title: '404 or 410 for an expired upload',
      },
      LONGER,
    ),
    undecidable(
      {
        section: EXPIRES,
        level: 'SHOULD',
        sentence: 'The latter one SHOULD be used if the Server is keeping track of expired uploads.',
        title: '410 for an expired upload that the server remembers',
      },
      LONGER,
    ),
  ],
}

/** The one form that RFC 9110 section 5.6.7 lets a sender use; skips where there is none. */
function expectDate(answer: Answer): void {
  const value = answer.get('Upload-Expires')
  if (value === undefined) throw new Skip(SILENT)
  const date = new Date(value)
  const same = !Number.isNaN(date.getTime()) && date.toUTCString() === value
  expect(same, 'a date as Sun, 06 Nov 1994 08:49:37 GMT', answer)
}

async function begunAndLookedAt(client: Client): Promise<Answer> {
  const answer = await client.head(await client.begin(10, 'hello'))
  expect(answer.ok, 'an answer of 2xx', answer)
  return answer
}
