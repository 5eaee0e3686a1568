import { getEventListeners } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { checkedAnswer } from '../../hooks/checked-answer.js'
import { HookDecider } from '../../hooks/decider.js'
import { tusdAnswer } from '../../hooks/http/tusd-answer.js'
import { ModuleHooks } from '../../hooks/module.js'
import { HooksClosed, type HookTransport } from '../../hooks/transport.js'
import { UploadError } from '../../server/errors.js'
import type { HookDecision } from '../../server/model/hook.js'
import { hookCall, hookUpload } from '../../server/model/hook-call.js'
import type { UploadRecord } from '../../server/model/record.js'

const test = suite('hooks')

const QUIET = { warn: () => {}, error: () => {} }
const RECORD: UploadRecord = {
  ...{ id: '20261126-a', filename: null, type: null, declaredType: null, length: 5 },
  ...{ offset: 0, sha256: null, metadata: null, path: 'a', createdAt: '', updatedAt: '', finishedAt: null },
  state: 'paused',
  ...{ reason: null, concat: null, joinedInto: null, owner: null, grantId: null },
}
const UPLOAD = hookUpload(RECORD, null)

function transportOf(name: string, decision: HookDecision): HookTransport {
  return {
    name,
    url: null,
    listensTo: () => true,
    decide: async () => decision,
    notify: async () => ({ kind: 'done', stop: false }),
    close: async () => {},
  }
}

test('a receiver that says nothing takes back nothing that a module has said', async () => {
  const silent = tusdAnswer('{}', 'pre-create').decision
  const said = { metadata: { a: 'b' }, id: 'name', expireAfterMs: 5 }
  const decider = new HookDecider({
    transports: [transportOf('module', said), transportOf('http', silent)],
    ...{ onFailure: 'refuse', log: QUIET },
  })
  const { metadata, id, expireAfterMs } = await decider.decide(hookCall('pre-create', UPLOAD, null))
  assert.equal({ metadata, id, expireAfterMs }, said)
})

test('a type that a header cannot have is left out: no download could be answered with it', async () => {
  const typeOf = async (type: string): Promise<string | undefined> => {
    const transports = [transportOf('module', { type })]
    const decider = new HookDecider({ transports, onFailure: 'refuse', log: QUIET })
    return (await decider.decide(hookCall('pre-accept', UPLOAD, null))).type
  }
  for (const type of [
    '',
    'text',
    'text/plain\r\nX-A: b',
    'text/\u0100',
    'text/plain\n',
    `a/${'b'.repeat(300)}`,
  ])
    assert.is(await typeOf(type), undefined, type)
  for (const type of ['text/x-special', 'image/svg+xml', 'text/plain; charset=utf-8'])
    assert.is(await typeOf(type), type)
})

test('headers that clients resume by are left out of what a hook adds', () => {
  const names = ['Upload-Offset', 'upload-length', 'Upload-Defer-Length', 'Upload-Concat', 'X-Kept']
  const headers = Object.fromEntries(names.map((name) => [name, '1']))
  assert.equal(checkedAnswer({ headers }, false, () => {}).headers, { 'X-Kept': '1' })
})

test('a hook that changes the list of parts changes its own copy', () => {
  const parts = ['a', 'b']
  const given = hookUpload(RECORD, parts).parts
  assert.equal(given, ['a', 'b'])
  assert.is.not(given, parts)
})

test('a hook that never ends leaves no listener behind once its time is over', async () => {
  const signals: AbortSignal[] = []
  const { prototype } = AbortSignal
  const add = prototype.addEventListener
  prototype.addEventListener = function (this: AbortSignal, ...given: Parameters<typeof add>) {
    signals.push(this)
    return Reflect.apply(add, this, given)
  }
  try {
    const hooks = new ModuleHooks({ preCreate: () => new Promise(() => {}) }, { timeoutMs: 10, log: QUIET })
    await hooks.decide(hookCall('pre-create', UPLOAD, null)).then(
      () => assert.unreachable(),
      () => {},
    )
    const [signal] = signals
    assert.ok(signal)
    assert.is(getEventListeners(signal, 'abort').length, 0)
  } finally {
    prototype.addEventListener = add
  }
})

test('while the server ends nothing is accepted unasked, whatever --hooks-on-failure says', async () => {
  const closing: HookTransport = {
    ...transportOf('module', {}),
    decide: () => Promise.reject(new Error('it could not be asked', { cause: new HooksClosed() })),
  }
  const decider = new HookDecider({ transports: [closing], onFailure: 'accept', log: QUIET })
  const error: unknown = await decider
    .decide(hookCall('pre-finish', UPLOAD, null))
    .catch((thrown: unknown) => thrown)
  assert.is(error instanceof UploadError && error.code, 'shutting_down')
})

test.run()
