import { send, type TestAnswer } from './server.js'
import { OFFSET_TYPE } from './wire.js'

type Headers = Readonly<Record<string, string>>

/** A way to ask for an upload. */
export interface Route {
  readonly name: string
  ask(id: string, headers: Headers): Promise<TestAnswer>
}

const TUS = { 'Tus-Resumable': '1.0.0' }

/** Sends one request with the version of tus. */
export function askOf(origin: () => string) {
  return (method: string, path: string, headers: object, body?: string | Uint8Array): Promise<TestAnswer> => {
    const all = { headers: { ...TUS, ...headers }, ...(body === undefined ? {} : { body }) }
    return send(origin(), { method, path, ...all })
  }
}

/** Every way to ask for an upload on a server: each method of tus, downloads, the API, and as a part. */
export function routesOf(origin: () => string): readonly Route[] {
  const ask = askOf(origin)
  const patch = { 'Upload-Offset': '3', 'Content-Type': OFFSET_TYPE }
  const override = { 'X-HTTP-Method-Override': 'PATCH' }
  return [
    { name: 'HEAD', ask: (id, headers) => ask('HEAD', `/files/${id}`, headers) },
    { name: 'PATCH', ask: (id, headers) => ask('PATCH', `/files/${id}`, { ...patch, ...headers }, 'lo') },
    {
      name: 'PATCH by X-HTTP-Method-Override',
      ask: (id, headers) => ask('POST', `/files/${id}`, { ...patch, ...override, ...headers }, 'lo'),
    },
    { name: 'DELETE', ask: (id, headers) => ask('DELETE', `/files/${id}`, headers) },
    { name: 'download', ask: (id, headers) => ask('GET', `/files/${id}`, headers) },
    {
      name: 'headers of a download',
      ask: (id, headers) => ask('HEAD', `/files/${id}`, { 'X-HTTP-Method-Override': 'GET', ...headers }),
    },
    { name: 'API', ask: (id, headers) => ask('GET', `/api/uploads/${id}`, headers) },
    { name: 'removal by the API', ask: (id, headers) => ask('DELETE', `/api/uploads/${id}`, headers) },
    {
      name: 'part of a final upload',
      ask: (id, headers) => ask('POST', '/files', { 'Upload-Concat': `final;/files/${id}`, ...headers }),
    },
  ]
}

/** What a client can see of an answer, but for its date. */
export function seen({ status, headers, text }: TestAnswer): object {
  return { status, text, headers: { ...headers, date: undefined } }
}
