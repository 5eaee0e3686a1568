// waits
// time-limit: 400s

import { request as httpRequest } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createPart, joinedHead, reprDigestOfText } from '../helpers/parts.js'
import { printedSeed, randomFrom } from '../helpers/sender.js'
import { locationOf, type TestAnswer, type TestServer, tus } from '../helpers/server.js'
import { killServers, startServer } from '../helpers/servers.js'
import { base64, unknownId } from '../helpers/wire.js'

const test = suite('final uploads whose answer was lost')
test.after(killServers)

const ROUNDS = 11
const NAMED = { 'Upload-Metadata': `filename ${base64('whole.txt')}` }
const random = randomFrom(printedSeed('lost finals'))

const pathOf = (location: string): string => new URL(location, 'http://lading.test').pathname

/** POST of a final upload; `kill` is called in the same turn in which the answer's first line comes. */
function joinAnd(
  server: TestServer,
  parts: readonly string[],
  kill: () => void,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const headers = { 'Tus-Resumable': '1.0.0', 'Upload-Concat': `final;${parts.join(' ')}`, ...NAMED }
    const request = httpRequest(server.url, { method: 'POST', headers, agent: false }, (answer) => {
      kill()
      answer.on('error', () => {}).resume()
      resolve(answer.statusCode === 201 ? answer.headers.location : undefined)
    })
    request.on('error', () => resolve(undefined))
    request.end()
  })
}

/** Asks again as a client does: 5xx and 423 are tried again. Fails at any other 4xx. */
async function askAgain(
  server: TestServer,
  parts: readonly string[],
): Promise<{ answer: TestAnswer; waits: number }> {
  for (let waits = 0; ; waits++) {
    const answer = await tus.join(server, parts, NAMED)
    if (answer.status === 201) return { answer, waits }
    assert.ok([503, 423].includes(answer.status), `${answer.status} ${answer.text}`)
    assert.ok(answer.headers['retry-after'])
    assert.ok(waits < 600, 'the final upload is found in time')
    await setTimeout(50)
  }
}

test('a client whose server was killed right behind the 201 asks again and gets the same final upload', async () => {
  let waited = 0
  let answered = 0
  for (let round = 0; round < ROUNDS; round++) {
    let server = await startServer()
    const texts = ['one', `two${round}`, 'three']
    const parts: string[] = []
    for (const text of texts) parts.push(pathOf(await createPart(server, text)))
    const location = await joinAnd(server, parts, () => server.process.kill('SIGKILL'))
    await server.stop('SIGKILL')
    server = await startServer([], server.dataDir)
    const { answer, waits } = await askAgain(server, parts)
    waited += waits
    if (location !== undefined) {
      answered += 1
      assert.is(pathOf(locationOf(answer)), pathOf(location))
    }
    const head = await joinedHead(server, pathOf(locationOf(answer)))
    assert.is(head.headers['repr-digest'], reprDigestOfText(texts.join('')))
    await server.stop('SIGKILL')
  }
  console.log(
    `lost finals: ${answered} of ${ROUNDS} answers came before the kill; 503 ${waited} times in all`,
  )
  assert.ok(answered >= 10, 'the kills fell behind the answers')
})

test('a client whose server was killed at any moment of the request asks again and gets a joined upload', async () => {
  for (let round = 0; round < 4; round++) {
    let server = await startServer()
    const texts = ['one', `two${round}`]
    const parts = [pathOf(await createPart(server, 'one')), pathOf(await createPart(server, `two${round}`))]
    const asked = joinAnd(server, parts, () => {})
    await setTimeout(random() * 20)
    server.process.kill('SIGKILL')
    await Promise.all([asked, server.stop('SIGKILL')])
    server = await startServer([], server.dataDir)
    const { answer } = await askAgain(server, parts)
    const head = await joinedHead(server, pathOf(locationOf(answer)))
    assert.is(head.headers['repr-digest'], reprDigestOfText(texts.join('')))
    await server.stop('SIGKILL')
  }
})

test('a client that asks twice at once has one final upload', async () => {
  const server = await startServer()
  const parts = [pathOf(await createPart(server, 'ab')), pathOf(await createPart(server, 'cd', 1))]
  const answers = await Promise.all(Array.from({ length: 8 }, () => tus.join(server, parts, NAMED)))
  assert.equal(new Set(answers.map(({ status }) => status)), new Set([201]))
  assert.is(new Set(answers.map(locationOf)).size, 1)
  await tus.patch(server, parts[1] ?? '', 1, 'd')
  const head = await joinedHead(server, locationOf(answers[0] ?? (await tus.join(server, parts, NAMED))))
  assert.is(head.headers['repr-digest'], reprDigestOfText('abcd'))
  assert.is(await server.stop(), 0)
})

test('a part that never was gets 400 once the first sweep has ended', async () => {
  const server = await startServer()
  for (;;) {
    const { status, text } = await tus.join(server, [unknownId()])
    if (status === 400) return assert.match(text, /^part_unknown: /)
    assert.is(status, 503)
    assert.match(text, /^starting: /)
    await setTimeout(50)
  }
})

test.run()
