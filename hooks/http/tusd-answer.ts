import * as v from 'valibot'
import type { HookDecision } from '../../server/model/hook.js'

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
      ExpireAfterMs: optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
    }),
  ),
})

/** What a receiver answers, in the JSON of tusd 2.x. Throws where it has another form. */
export function tusdAnswer(text: string): { decision: HookDecision; stop: boolean } {
  const answer = v.parse(AnswerSchema, text.trim() === '' ? {} : JSON.parse(text))
  const { HTTPResponse: response, ChangeFileInfo: change, Lading: ours } = answer
  return {
    stop: answer.StopUpload === true,
    decision: {
      refuse: [answer.RejectUpload, answer.RejectTermination, answer.RejectAccess].includes(true),
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
