import * as v from 'valibot'
import { type HookDecision, type HookEvent, MOST_EXPIRE_AFTER_MS } from '../../server/model/hook.js'

const optional = <S extends v.GenericSchema>(schema: S) => v.optional(v.nullable(schema))
const texts = v.record(v.string(), v.string())

const AnswerSchema = v.object({
  HTTPResponse: optional(
    v.object({
      StatusCode: optional(v.number()),
      Body: optional(v.string()),
      Header: optional(texts),
      // tusd's own example in Python sends this name, and tusd ignores it.
      Headers: optional(texts),
    }),
  ),
  RejectUpload: optional(v.boolean()),
  RejectTermination: optional(v.boolean()),
  StopUpload: optional(v.boolean()),
  ChangeFileInfo: optional(
    v.object({ ID: optional(v.string()), MetaData: optional(texts), Storage: v.optional(v.unknown()) }),
  ),
  // Ours, beside tusd's.
  RejectAccess: optional(v.boolean()),
  Lading: optional(
    v.object({
      Type: optional(v.string()),
      ExpireAfterMs: optional(
        v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MOST_EXPIRE_AFTER_MS)),
      ),
    }),
  ),
})

type Rejects = 'RejectUpload' | 'RejectTermination' | 'RejectAccess'

/** A receiver may give all of its hooks one answer, because tusd reads of it what the event has. */
const REJECTS: Readonly<Partial<Record<HookEvent, Rejects>>> = {
  'pre-access': 'RejectAccess',
  'pre-create': 'RejectUpload',
  'pre-accept': 'RejectUpload',
  'pre-finish': 'RejectUpload',
  'pre-terminate': 'RejectTermination',
}

/** What a receiver answers to an event, in the JSON of tusd 2.x. Throws where it has another form. */
export function tusdAnswer(text: string, event: HookEvent): { decision: HookDecision; stop: boolean } {
  const answer = v.parse(AnswerSchema, text.trim() === '' ? {} : JSON.parse(text))
  const rejects = REJECTS[event]
  const { HTTPResponse: response, ChangeFileInfo: change, Lading: ours } = answer
  return {
    stop: answer.StopUpload === true,
    decision: {
      refuse: rejects !== undefined && answer[rejects] === true,
      answer: {
        status: response?.StatusCode ?? undefined,
        headers: { ...response?.Headers, ...response?.Header },
        body: response?.Body ? response.Body : undefined,
      },
      // `{}` removes all metadata, and nothing keeps it.
      metadata: change?.MetaData ?? undefined,
      id: change?.ID ? change.ID : undefined,
      type: ours?.Type ?? undefined,
      expireAfterMs: ours?.ExpireAfterMs ?? undefined,
    },
  }
}
