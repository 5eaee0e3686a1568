import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { HookUpload } from '../../server/model/hook.js'
import type { Sql } from '../../server/model/sql.js'
import { call } from './deliveries-place.js'

const WITHIN_MS = 60_000
const MAIN = new URL('./deliveries-main.js', import.meta.url)

/** How far a node goes with the finish of an upload. */
export interface FinishTask {
  readonly number: number
  readonly until: 'intended' | 'stored' | 'confirmed' | 'kept'
}

/** Makes the table that says which uploads are finished. */
export async function makeFacts(sql: Sql): Promise<void> {
  await sql.query('CREATE TABLE facts (id text PRIMARY KEY, number integer NOT NULL)')
}

/** An upload by that table; null where it is not finished. */
export async function finishedIn(sql: Sql, id: string): Promise<HookUpload | null> {
  const { rows } = await sql.query<{ number: number }>('SELECT number FROM facts WHERE id = $1', [id])
  return rows[0] ? call('post-finish', rows[0].number).upload : null
}

/** Starts a node and kills it with SIGKILL when it has said so. */
export async function killAfter(
  url: string,
  tasks: readonly FinishTask[],
  said: 'ready' | 'sending',
): Promise<void> {
  const child = fork(MAIN, [url, JSON.stringify(tasks)])
  const killed = (): void => void child.kill('SIGKILL')
  process.on('exit', killed)
  try {
    await heard(child, said)
    child.kill('SIGKILL')
    await once(child, 'exit')
  } finally {
    child.kill('SIGKILL')
    process.off('exit', killed)
  }
}

function heard(child: ChildProcess, said: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the node did not say ${said}`)), WITHIN_MS)
    child.on('message', (message) => {
      if (message === said) resolve()
    })
    child.once('exit', (code) => {
      clearTimeout(late)
      reject(new Error(`the node ended with ${code}`))
    })
  })
}
