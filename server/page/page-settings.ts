import * as v from 'valibot'

const Settings = v.object({
  basePath: v.string(),
  maxSizeBytes: v.number(),
  accept: v.array(v.string()),
  slots: v.number(),
  needsToken: v.boolean(),
  /** False where the token of a drop link is not of this server. */
  isGrant: v.optional(v.boolean(), true),
})

/** What the server has written into the document. */
export type PageSettings = v.InferOutput<typeof Settings>

/** Reads the settings from the document. Throws where they are not there. */
export function readSettings(): PageSettings {
  return v.parse(Settings, JSON.parse(document.documentElement.dataset.settings ?? ''))
}
