import type { IncomingMessage } from 'node:http'
import { checkNames, parameterOf, wrong } from '../list-query.js'

/** Which events a request asks for: of one upload, or of all (null); and which it has. Throws query_invalid. */
export function askedStream(
  { headers }: IncomingMessage,
  query: URLSearchParams,
  isUploadId: (text: string) => boolean,
): { uploadId: string | null; lastId: string | undefined } {
  checkNames(query, ['id', 'lastEventId'])
  const uploadId = parameterOf(query, 'id') ?? null
  if (uploadId !== null && !isUploadId(uploadId)) throw wrong('id', 'the id of an upload')
  const header = headers['last-event-id']
  return {
    uploadId,
    lastId: (Array.isArray(header) ? header[0] : header) || parameterOf(query, 'lastEventId'),
  }
}
