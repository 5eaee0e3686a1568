import type { Answer } from '../answer.js'
import { type Group, Skip } from '../check.js'
import { type Client, lengthHeader } from '../client.js'
import { expect, expectAbsent, expectHeader, expectRefused, expectStatus } from '../expect.js'
import { expectPairs, pairsOf } from './metadata.js'

const METADATA = {
  section: 'Creation › Upload-Metadata',
  level: 'MUST',
} as const

const RETURNED = {
  section: 'Creation › POST',
  level: 'MUST',
  sentence:
    'If an upload contains additional metadata, responses to HEAD requests MUST include the Upload-Metadata header and its value as specified by the Client during the creation.',
} as const

const POST = {
  section: 'Creation › POST',
  level: 'MUST',
} as const

const PAIRS =
  'The Upload-Metadata request and response header MUST consist of one or more comma-separated key-value pairs.'
const KEYS = 'The key MUST NOT contain spaces and commas and MUST NOT be empty.'

/** Not UTF-8, and with a byte 0. */
const BINARY = Buffer.from([0x00, 0xff, 0xfe, 0x80, 0x0a, 0x0d, 0xc3, 0x28]).toString('base64')

/** Creation. What a server does with metadata in another form is open: it may refuse it, ignore it, put it
 * right, or give it back as it came. */
export const creation: Group = {
  name: 'creation',
  checks: [
    {
      ...POST,
      sentence: 'The Server MUST acknowledge a successful upload creation with the 201 Created status.',
      title: '201 to an empty POST with Upload-Length',
      async run(client) {
        expectStatus(await client.post([lengthHeader(10)]), 201)
      },
    },
    {
      ...POST,
      sentence:
        'The Server MUST set the Location header to the URL of the created resource. This URL MAY be absolute or relative.',
      title: 'Location is the URL of an upload, and of another one each time',
      async run(client) {
        const urls = [await client.create(10), await client.create(10)]
        for (const url of urls) expectHeader(await client.head(url), 'Upload-Offset', '0')
        expect(urls[0]?.href !== urls[1]?.href, 'two URLs', `${urls[0]} twice`)
      },
    },
    {
      ...POST,
      sentence:
        'The request MUST include one of the following headers: a) Upload-Length to indicate the size of an entire upload in bytes. b) Upload-Defer-Length: 1 if upload size is not known at the time.',
      title: 'POST with neither is refused',
      async run(client) {
        await client.create(10)
        expectRefused(await client.post([]), 'neither Upload-Length nor Upload-Defer-Length')
      },
    },
    {
      ...POST,
      sentence:
        'The Upload-Length header MAY be set to 0, indicating that the Client wants to upload an empty file. Such an upload is immediately complete after its creation without transferring data using PATCH requests.',
      title: 'an upload of length 0 is created, with offset and length 0',
      async run(client) {
        const answer = await client.head(await client.create(0))
        expect(answer.ok, 'an answer of 2xx', answer)
        expectHeader(answer, 'Upload-Offset', '0')
        expectHeader(answer, 'Upload-Length', '0')
      },
    },
    {
      ...POST,
      sentence:
        'If the length of the upload exceeds the maximum, which MAY be specified using the Tus-Max-Size header, the Server MUST respond with the 413 Request Entity Too Large status.',
      title: '413 one byte above Tus-Max-Size',
      async run(client) {
        const { maxSize } = client.target
        if (maxSize === undefined) throw new Skip('the server tells no Tus-Max-Size')
        const answer = await client.post([`Upload-Length: ${maxSize + 1n}`])
        expectStatus(answer, 413)
        expectAbsent(answer, 'Location')
      },
    },
    {
      ...RETURNED,
      title: 'a value of text',
      run: (client) => returnsPair(client, `name ${Buffer.from('notes, ä.txt').toString('base64')}`),
    },
    {
      ...RETURNED,
      title: 'a value of any bytes',
      run: (client) => returnsPair(client, `bytes ${BINARY}`),
    },
    {
      ...RETURNED,
      title: 'several pairs, keys without a value among them',
      async run(client) {
        const given = `name bm90ZXMudHh0,is_confidential,bytes ${BINARY},empty `
        const answer = await client.head(await client.create(10, [`Upload-Metadata: ${given}`]))
        expectPairs(answer, given)
      },
    },
    {
      ...RETURNED,
      title: 'keys that are names of a language, of one character, or in capitals',
      async run(client) {
        const given = 'constructor YQ==,__proto__ Yg==,toString Yw==,a ZA==,A ZQ==,x-y.z_1 Zg=='
        const answer = await client.head(await client.create(10, [`Upload-Metadata: ${given}`]))
        expectPairs(answer, given)
      },
    },
    {
      ...RETURNED,
      title: 'none where none was given',
      async run(client) {
        expectAbsent(await client.head(await client.create(10)), 'Upload-Metadata')
      },
    },
    {
      ...METADATA,
      sentence: PAIRS,
      title: 'what is no list of pairs is refused, put right, or given back letter by letter',
      run: (client) => givesNoThird(client, ['a YQ==,', ',a YQ==', 'a YQ==,,b Yg==', 'a YQ==;b Yg==']),
    },
    {
      ...METADATA,
      sentence: 'The key and value MUST be separated by a space.',
      title: 'more than one space is refused, put right, or given back letter by letter',
      run: (client) => givesNoThird(client, ['a  YQ==', 'b Yg==,a   YQ==']),
    },
    {
      ...METADATA,
      sentence: KEYS,
      title: 'keys with spaces, and empty ones, are refused, put right, or given back letter by letter',
      run: (client) => givesNoThird(client, ['a b YQ==', 'b Yg==, YQ==', 'b Yg==,  YQ==']),
    },
    {
      ...METADATA,
      sentence: 'The key SHOULD be ASCII encoded and the value MUST be Base64 encoded.',
      title: 'values that are no Base64 are refused, put right, or given back letter by letter',
      run: (client) =>
        givesNoThird(client, ['a Y', 'a Y===', 'a a.txt', 'a Y Q==', 'a YQ==YQ==', 'a "YQ=="']),
    },
    {
      ...METADATA,
      level: 'SHOULD',
      sentence: 'The key SHOULD be ASCII encoded and the value MUST be Base64 encoded.',
      title: 'keys beyond ASCII are refused, put right, or given back letter by letter',
      run: (client) => givesNoThird(client, ['schl\u00fcssel YQ==', 'a\u0000b YQ==']),
    },
    {
      ...METADATA,
      sentence: 'All keys MUST be unique.',
      title: 'a doubled key is refused, put right, or given back letter by letter',
      run: (client) => givesNoThird(client, ['a YQ==,a Yg==', 'a YQ==,b Yg==,a', 'a,a']),
    },
    {
      ...METADATA,
      level: 'SHOULD',
      sentence:
        'Since metadata can contain arbitrary binary values, Servers SHOULD carefully validate metadata values or sanitize them before using them as header values to avoid header smuggling.',
      title: 'line ends in values make no header, in no answer',
      run: smugglesNothing,
    },
  ],
}

/** A single pair comes back unchanged: there is only one way to write it. */
async function returnsPair(client: Client, pair: string): Promise<void> {
  expectHeader(
    await client.head(await client.create(10, [`Upload-Metadata: ${pair}`])),
    'Upload-Metadata',
    pair,
  )
}

async function givesNoThird(client: Client, values: readonly string[]): Promise<void> {
  await client.create(10)
  for (const value of values) {
    const answer = await client.post([lengthHeader(10), `Upload-Metadata: ${value}`])
    expect(answer.ok || answer.refuses, `a 4xx, or 201, to Upload-Metadata: ${value}`, answer)
    if (!answer.ok) continue
    const seen = await client.head(client.locationOf(answer))
    const told = seen.get('Upload-Metadata')
    // The client broke the form; what it gets back is "as specified by the Client during the creation".
    const sent = Buffer.from(value).toString('latin1')
    const isFaithful = told === undefined || told === sent || pairsOf(told) !== undefined
    expect(isFaithful, `a refusal of Upload-Metadata: ${value}, the same, or a right one in its place`, seen)
  }
}

async function smugglesNothing(client: Client): Promise<void> {
  const value = Buffer.from('a.txt"\r\nX-Smuggled: yes\r\n\r\nX-Smuggled: yes').toString('base64')
  const headers = ['filename', 'name', 'filetype', 'contentType', 'type']
    .map((key) => `${key} ${value}`)
    .join(',')
  const created = await client.post([lengthHeader(5), `Upload-Metadata: ${headers}`])
  const answers: Answer[] = [created]
  if (created.ok) {
    const url = client.locationOf(created)
    answers.push(await client.head(url), await client.patch(url, 0, 'hello'))
    answers.push(await client.head(url), await client.download(url))
  }
  expect(created.ok || created.refuses, 'a 4xx, or 201, to values with line ends', created)
  for (const answer of answers) expectAbsent(answer, 'X-Smuggled')
}
