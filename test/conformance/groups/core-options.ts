import { type Check, Skip } from '../check.js'
import { lengthHeader } from '../client.js'
import { expect, expectList, expectPresent, expectStatus } from '../expect.js'

/** OPTIONS, and the header that says what a server can do. */
export const options: readonly Check[] = [
  {
    section: 'Core › OPTIONS',
    level: 'MUST',
    sentence:
      'A successful response indicated by the 204 No Content or 200 OK status MUST contain the Tus-Version header.',
    title: '200 or 204 with Tus-Version',
    async run(client) {
      const answer = await client.options()
      expectStatus(answer, 200, 204)
      expectPresent(answer, 'Tus-Version')
    },
  },
  {
    section: 'Core › OPTIONS',
    level: 'MUST',
    sentence:
      'The Client SHOULD NOT include the Tus-Resumable header in the request and the Server MUST ignore the header.',
    title: 'Tus-Resumable with any value changes nothing',
    async run(client) {
      const plain = await client.options()
      for (const value of ['1.0.0', '99.0.0', 'none']) {
        const answer = await client.options([`Tus-Resumable: ${value}`])
        expect(
          answer.status === plain.status,
          `${plain.status} to Tus-Resumable: ${value}, as without`,
          answer,
        )
        for (const name of ['Tus-Version', 'Tus-Extension', 'Tus-Max-Size'])
          expect(answer.get(name) === plain.get(name), `${name} as without Tus-Resumable`, answer)
      }
    },
  },
  {
    section: 'Core › Tus-Extension',
    level: 'MUST',
    sentence:
      'The Tus-Extension response header MUST be a comma-separated list of the extensions supported by the Server. If no extensions are supported, the Tus-Extension header MUST be omitted.',
    title: 'it is a list, or not there',
    async run(client) {
      const answer = await client.options()
      if (answer.get('Tus-Extension') !== undefined) expectList(answer, 'Tus-Extension')
    },
  },
  {
    section: 'Protocol Extensions',
    level: 'SHOULD',
    sentence:
      'Feature detection SHOULD be achieved by the Client sending an OPTIONS request and the Server responding with the Tus-Extension header.',
    title: 'Tus-Extension is in the answer to OPTIONS on the creation URL',
    async run(client) {
      const answer = await client.options()
      if (answer.get('Tus-Extension') !== undefined) return
      const created = await client.post([lengthHeader(10)])
      expect(created.status !== 201, 'Tus-Extension, where POST creates an upload', answer)
      throw new Skip('a server without extensions omits Tus-Extension')
    },
  },
  {
    section: 'Creation',
    level: 'SHOULD',
    sentence: 'The Client and the Server SHOULD implement the upload creation extension.',
    title: 'creation is offered',
    async run(client) {
      const answer = await client.options()
      expect(client.offers('creation'), 'creation in Tus-Extension', answer)
    },
  },
]
