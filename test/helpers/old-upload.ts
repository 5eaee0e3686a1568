import { copyFileSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileOf, type TestServer } from './server.js'
import { unknownId } from './wire.js'

const OLD = new Date('2020-01-02T03:04:05.000Z')

/** Copies an upload's two files into the folder of a day long gone, with the times of that day; gives its id. */
export function copyToOldDay(server: Pick<TestServer, 'dataDir'>, id: string): string {
  const oldId = unknownId('20200102')
  const [from, to] = [fileOf(server, id), fileOf(server, oldId)]
  const sidecar = JSON.parse(readFileSync(`${from}.json`, 'utf8'))
  const dates = { createdAt: OLD.toISOString(), updatedAt: OLD.toISOString() }
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
  writeFileSync(`${to}.json`, JSON.stringify({ ...sidecar, ...dates, id: oldId }))
  utimesSync(to, OLD, OLD)
  utimesSync(`${to}.json`, OLD, OLD)
  return oldId
}
