import { type Answer, withHeaders } from '../model/answer.js'
import type { HookAnswer } from '../model/hook.js'
import type { UploadRequest } from '../model/request.js'

/** An answer with what `pre-create` and `pre-finish` add to it. */
export function withHookAnswers(answer: Answer, { hookAnswer, upload }: UploadRequest): Answer {
  let answered = answer
  for (const added of [hookAnswer, upload?.hooks.answer])
    if (added) answered = withHookAnswer(answered, added)
  return answered
}

/** A 204 has no body (RFC 9110, section 15.3.5): an answer that gets one is 200, unless the hook names a status. */
function withHookAnswer(answer: Answer, { status, headers = {}, body }: HookAnswer): Answer {
  const text = body ?? answer.text
  const isText204 = text !== undefined && (status ?? answer.status) === 204
  return {
    status: isText204 ? 200 : (status ?? answer.status),
    headers: withHeaders(answer.headers, headers),
    ...(text === undefined ? {} : { text }),
  }
}
