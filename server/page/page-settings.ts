import * as v from 'valibot'

const Settings = v.object({
  basePath: v.string(),
  maxSizeBytes: v.number(),
  accept: v.array(v.string()),
  slots: v.number(),
  needsToken: v.boolean(),
})

/** What the server has written into the document. */
export type PageSettings = v.InferOutput<typeof Settings>

/** Reads the settings from the document. Throws where they are not there. */
export function readSettings(): PageSettings {
  return v.parse(Settings, JSON.parse(document.documentElement.dataset.settings ?? ''))
}
