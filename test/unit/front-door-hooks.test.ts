import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { UploadError } from '../../server/errors.js'
import type { HookRequest } from '../../server/model/hook.js'
import { ANONYMOUS } from '../../server/model/principal.js'
import { FrontDoor } from '../../server/tus/front-door.js'
import { fakeRequest } from '../helpers/fake-exchange.js'
import { viewOf } from '../helpers/upload-view.js'

const MINE = { method: 'HEAD', uri: '', remoteAddress: '', headers: {} }

/** Serves a HEAD of an upload that hooks know by `current`; resolves with what is then set as its request. */
async function setAfterHead(current: HookRequest): Promise<unknown[]> {
  const set: unknown[] = []
  const upload = viewOf({
    hooks: { request: current, answer: null, noticedAtMs: null },
    endHookRequest: () => void set.push(null),
  })
  const full = (): never => {
    throw new UploadError('slots_full')
  }
  const log = { info: () => {}, error: () => {} }
  const front = new FrontDoor({
    ...{
      basePath: '/files',
      disableDownload: false,
      maxSizeBytes: 1000,
      extensions: [],
      digestBytes: {},
      expiresAtMs: () => 0,
    },
    ...{ makeBody: full, createId: () => 'new-id', isUploadId: () => true },
    ...{ log, refusals: log, monotonic: () => 0, mayInterrupt: () => true, interrupt: async () => {} },
    hooks: { describe: () => MINE, access: async () => {}, create: async () => {} },
    slots: { tryTake: full, take: full },
    dayBytes: { reserve: () => () => {} },
    protocol: {
      handle: async (request) => {
        Object.assign(request, { upload })
        return { status: 200, headers: new Headers() }
      },
    },
  })
  await front.serve({
    request: fakeRequest('HEAD', '/files/an-id', { 'tus-resumable': '1.0.0' }),
    ...{ method: 'HEAD', id: 'an-id', principal: ANONYMOUS, origin: '', client: '127.0.0.1' },
    ...{ askForBody: () => {}, readAway: async () => 0, gone: () => new AbortController().signal },
  })
  return set
}

test('what a request has sent is not kept with the upload once it is answered', async () => {
  assert.equal(await setAfterHead(MINE), [null])
})

test('a request that was taken over leaves to the upload the request that took it over', async () => {
  assert.equal(await setAfterHead({ ...MINE }), [])
})

test.run()
