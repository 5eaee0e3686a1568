import { join } from 'node:path'
import type { HookCall, HookRequest, HookUpload } from '../../server/model/hook.js'

/**
 * The body of a hook request, in the JSON of tusd 2.x. `Lading` at its end is ours: tusd has no digest, type or owner.
 *
 * @param dataDir the absolute path of the data folder
 */
export function tusdEvent({ event, upload, request, firstBytes }: HookCall, dataDir: string): string {
  return JSON.stringify({
    Type: event,
    Event: {
      Upload: uploadOf(upload, event === 'pre-create' ? null : dataDir),
      HTTPRequest: requestOf(request),
    },
    Lading: {
      SHA256: upload.sha256,
      Type: upload.type,
      Owner: upload.owner,
      Filename: upload.filename,
      State: upload.state,
      ...(event === 'pre-accept' ? { FirstBytes: Buffer.from(firstBytes).toString('base64') } : {}),
    },
  })
}

function uploadOf(upload: HookUpload, dataDir: string | null): object {
  const { length, offset, concat, fields, parts, path } = upload
  return {
    ID: dataDir === null ? '' : upload.id,
    Size: length ?? 0,
    SizeIsDeferred: length === null && concat !== 'final',
    Offset: offset,
    MetaData: fields,
    IsPartial: concat === 'partial',
    IsFinal: concat === 'final',
    PartialUploads: parts,
    Storage:
      dataDir === null
        ? null
        : { Type: 'filestore', Path: join(dataDir, path), InfoPath: join(dataDir, `${path}.json`) },
  }
}

function requestOf(request: HookRequest | null): object {
  if (request === null) return { Method: '', URI: '', RemoteAddr: '', Header: {} }
  const { method, uri, remoteAddress, headers } = request
  const fields = Object.entries(headers).map(([name, values]) => [canonicalName(name), values])
  return { Method: method, URI: uri, RemoteAddr: remoteAddress, Header: Object.fromEntries(fields) }
}

/** A header's name as Go writes it, such as `Tus-Resumable`. */
function canonicalName(name: string): string {
  return name.toLowerCase().replace(/(?:^|-)[a-z]/g, (letter) => letter.toUpperCase())
}
