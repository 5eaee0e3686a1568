import type { UploadView } from '../../server/model/upload-view.js'

/** An upload of five bytes that is whole, as the protocol sees it, with these changes. */
export function viewOf(changes: Partial<UploadView> = {}): UploadView {
  return {
    ...{
      id: 'an-id',
      owner: null,
      grantId: null,
      sha256: null,
      finishedAt: null,
      length: 5,
      offset: 5,
      metadata: null,
      type: null,
      filename: null,
    },
    ...{ touchedAtMs: 0, joinedAtMs: null, kind: 'single', concat: null, joining: null, gone: false },
    ...{ expireAfterMs: null, hooks: { request: null, answer: null, noticedAtMs: null } },
    markLocationSent: () => {},
    endHookRequest: () => {},
    ...changes,
  }
}
